"""Tiny models with random weights in the folders that FunASR's own downloads have: config.yaml, model.pt, tokens.json,
am.mvn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

TOKENS = ["<blank>", "<s>", "</s>", *"今天气很好我们去公园阿里巴", "hel@@", "lo", "yes", "<unk>"]
D = 16

ENCODER = {
    "output_size": D,
    "attention_heads": 2,
    "linear_units": 32,
    "num_blocks": 2,
    "dropout_rate": 0.0,
    "positional_dropout_rate": 0.0,
    "attention_dropout_rate": 0.0,
    "input_layer": "pe",
    "pos_enc_class": "SinusoidalPositionEncoder",
    "normalize_before": True,
    "kernel_size": 11,
    "sanm_shfit": 0,
    "selfattention_layer_type": "sanm",
}
DECODER = {
    "attention_heads": 2,
    "linear_units": 32,
    "num_blocks": 2,
    "dropout_rate": 0.0,
    "positional_dropout_rate": 0.0,
    "self_attention_dropout_rate": 0.0,
    "src_attention_dropout_rate": 0.0,
    "att_layer_num": 2,
    "kernel_size": 11,
    "sanm_shfit": 0,
}
FRONTEND = {"fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10, "dither": 0.0}
CHARACTERS = {"tokenizer": "CharTokenizer", "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True}}
PARAFORMER: dict[str, Any] = {
    "model": "Paraformer",
    "model_conf": {
        "ctc_weight": 0.0,
        "lsm_weight": 0.0,
        "length_normalized_loss": True,
        "predictor_weight": 1.0,
        "predictor_bias": 1,
        "sampling_ratio": 0.0,
    },
    "encoder": "SANMEncoder",
    "encoder_conf": ENCODER,
    "decoder": "ParaformerSANMDecoder",
    "decoder_conf": DECODER,
    "predictor": "CifPredictorV2",
    "predictor_conf": {"idim": D, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45},
    "frontend": "WavFrontend",
    "frontend_conf": {**FRONTEND, "lfr_m": 7, "lfr_n": 6},
    **CHARACTERS,
}
SEACO = {
    **PARAFORMER,
    "model": "SeacoParaformer",
    "model_conf": {
        **PARAFORMER["model_conf"],
        "inner_dim": D,
        "bias_encoder_type": "lstm",
        "bias_encoder_bid": False,
        "seaco_lsm_weight": 0.0,
        "seaco_length_normal": True,
        "train_decoder": True,
        "NO_BIAS": len(TOKENS) - 1,
    },
    "seaco_decoder": "ParaformerSANMDecoder",
    "seaco_decoder_conf": {**DECODER, "kernel_size": 21, "use_output_layer": False, "wo_input_layer": True},
    "predictor": "CifPredictorV3",
    "predictor_conf": {
        **PARAFORMER["predictor_conf"],
        "smooth_factor2": 0.25,
        "noise_threshold2": 0.01,
        "upsample_times": 3,
        "use_cif1_cnn": False,
        "upsample_type": "cnn_blstm",
    },
}
STREAMING = {
    **PARAFORMER,
    "model": "ParaformerStreaming",
    "encoder": "SANMEncoderChunkOpt",
    "encoder_conf": {
        **ENCODER,
        "input_layer": "pe_online",
        "chunk_size": [12, 15],
        "stride": [8, 10],
        "pad_left": [0, 0],
        "encoder_att_look_back_factor": [4, 4],
        "decoder_att_look_back_factor": [1, 1],
    },
    "decoder_conf": {**DECODER, "sanm_shfit": 5},
    "frontend": "WavFrontendOnline",
}
PUNCTUATION = {
    "model": "CTTransformer",
    "model_conf": {
        "ignore_id": 0,
        "embed_unit": D,
        "att_unit": D,
        "dropout_rate": 0.0,
        "punc_list": ["<unk>", "_", "，", "。", "？", "、"],
        "punc_weight": [1.0] * 6,
        "sentence_end_id": 3,
    },
    "encoder": "SANMEncoder",
    "encoder_conf": {**ENCODER, "input_size": D},
    **CHARACTERS,
}
VAD = {
    "model": "FsmnVADStreaming",
    "model_conf": {"sample_rate": 16000, "speech_noise_thres": 0.6, "silence_pdf_num": 1, "sil_pdf_ids": [0]},
    "encoder": "FSMN",
    "encoder_conf": {
        "input_dim": 400,
        "input_affine_dim": 140,
        "fsmn_layers": 4,
        "linear_dim": 250,
        "proj_dim": 128,
        "lorder": 20,
        "rorder": 0,
        "lstride": 1,
        "rstride": 0,
        "output_affine_dim": 140,
        "output_dim": 248,
    },
    "frontend": "WavFrontendOnline",
    "frontend_conf": {**FRONTEND, "lfr_m": 5, "lfr_n": 1},
}
SENSE = {
    "model": "SenseVoiceSmall",
    "model_conf": {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1},
    "encoder": "SenseVoiceEncoderSmall",
    "encoder_conf": {**{k: v for k, v in ENCODER.items() if k != "input_layer"}, "tp_blocks": 1},
    "frontend": "WavFrontend",
    "frontend_conf": {**FRONTEND, "lfr_m": 7, "lfr_n": 6},
    "tokenizer": "SentencepiecesTokenizer",
    "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
}


def saved(folder: Path, config: dict[str, Any], bpe: Path | None = None) -> Path:
    """A folder like a download, with an untrained model in it."""
    import torch

    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
    if bpe:
        (folder / "bpe.model").write_bytes(bpe.read_bytes())
    elif "tokenizer" in config:
        (folder / "tokens.json").write_text(json.dumps(TOKENS, ensure_ascii=False), "utf-8")
    if "frontend_conf" in config:
        size = 80 * config["frontend_conf"]["lfr_m"]
        row = "<LearnRateCoef> 0 [ {} ]"
        shift, scale = " ".join(["-8"] * size), " ".join(["0.2"] * size)
        (folder / "am.mvn").write_text(
            f"<Nnet>\n<AddShift> {size} {size}\n{row.format(shift)}\n<Rescale> {size} {size}\n{row.format(scale)}\n</Nnet>\n"
        )
    torch.save({}, folder / "model.pt")  # its shapes come from the configuration
    torch.save(built(folder).state_dict(), folder / "model.pt")
    return folder


def built(folder: Path, whole: bool = False) -> Any:
    from funasr import AutoModel

    auto = AutoModel(model=str(folder), device="cpu", disable_update=True, disable_pbar=True, log_level="ERROR")
    return auto if whole else auto.model


TAGS = ["<|zh|>", "<|en|>", "<|HAPPY|>", "<|EMO_UNKNOWN|>", "<|Laughter|>", "<|Speech|>", "<|withitn|>", "<|woitn|>"]


def sense_taught_to_say(folder: Path, tags: list[str], words: list[str], samples: Any) -> Path:
    """SenseVoice, and for a few steps taught what to say to this sound: one piece after another, for its length."""
    import sentencepiece
    import torch

    prefix = folder.with_name("bpe")
    text = prefix.with_suffix(".txt")
    text.write_text("今天天气很好\n我们去公园\nhello yes\n" * 20, "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(prefix),
        vocab_size=40,
        user_defined_symbols=TAGS,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    saved(folder, SENSE, prefix.with_suffix(".model"))
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(prefix.with_suffix(".model")))
    auto = built(folder, whole=True)
    model = auto.model.train()
    frames, lengths = auto.kwargs["frontend"](torch.from_numpy(samples)[None], [len(samples)])
    asked = model.embed(torch.tensor([[0, 1, 2, 14]]))  # language, event and emotion, the form of numbers
    said = [pieces.piece_to_id(piece) for piece in words]
    each = int(lengths) // len(said)
    frames_say = [one for one in said for _ in range(each)] + [said[-1]] * (int(lengths) - each * len(said))
    wanted = torch.tensor([pieces.piece_to_id(tag) for tag in tags] + frames_say)
    adam = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(150):
        out, _ = model.encoder(torch.cat([asked.detach(), frames], 1), lengths + 4)[:2]
        loss = torch.nn.functional.cross_entropy(model.ctc.ctc_lo(out)[0], wanted)
        adam.zero_grad()
        loss.backward()
        adam.step()
    torch.save(model.state_dict(), folder / "model.pt")
    return folder
