"""FunASR's own loading and decoding code, on tiny models with random weights in FunASR's format; its real weights cannot be
had where this is built. What is taught to a tiny model here is what its engine then has to hear."""

from __future__ import annotations

import gc
import logging
import random
import re
import shutil
import warnings
import weakref
from pathlib import Path

import numpy as np
import pytest

from cleans2s.asr.funasr import FunASR
from cleans2s.audio import Audio, silence
from cleans2s.config import Config
from cleans2s.errors import ConfigError, ModelError
from cleans2s.turn import FRAME
from cleans2s.vad.fsmn import FSMN

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its dependencies warn of their own dependencies
    for package in ("torch", "kaldi_native_fbank", "sentencepiece", "yaml", "funasr"):
        pytest.importorskip(package)

import tiny_funasr as tiny

SPEECH = Audio.from_file(Path(__file__).parent / "sounds" / "story.flac").samples
TAUGHT = ["<|zh|>", "<|HAPPY|>", "<|Laughter|>", "<|withitn|>"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("funasr")
    kinds = {"paraformer": tiny.PARAFORMER, "seaco": tiny.SEACO, "streaming": tiny.STREAMING, "punc": tiny.PUNCTUATION}
    made = {name: str(tiny.saved(base / name, config)) for name, config in (kinds | {"vad": tiny.VAD}).items()}
    made["sense"] = str(tiny.sense_taught_to_say(base / "sense", TAUGHT, ["今", "天", "很"], SPEECH))
    return made


@pytest.fixture(scope="module")
def streaming(folders):
    return FunASR(folders["paraformer"], punctuation="", partial=folders["streaming"])


def test_paraformer_hears_characters_and_ct_punc_sets_marks_in_the_final_text_only(folders):
    engine = FunASR(folders["paraformer"], folders["punc"]).load()
    final, draft = engine.transcribe(Audio(SPEECH)).text, engine.transcribe(Audio(SPEECH), partial=True).text
    letters = [c for c in final if c.isalnum()]
    assert letters
    assert [c.lower() for c in letters] == [c for c in draft if c.isalnum()]
    assert set(final) & set("，。？、.,")
    assert not set(draft) & set("，。？、.,")
    assert not re.search("[㐀-鿿] [㐀-鿿]", draft)


def test_hot_words_reach_the_model(folders):
    plain = FunASR(folders["seaco"], "").load().transcribe(Audio(SPEECH)).text
    hot = FunASR(folders["seaco"], "", hotwords="阿里巴巴 天气").load().transcribe(Audio(SPEECH)).text
    assert plain
    assert hot
    assert plain != hot
    assert " " not in hot.replace("yes", "")


def test_a_draft_reads_on_where_the_last_one_stopped(streaming):
    growing, at_once = streaming.load(), streaming.load()
    assert growing is not at_once
    drafts = [growing.transcribe(Audio(SPEECH[:n]), partial=True).text for n in range(3200, len(SPEECH), 3200)]
    assert len(growing.drafts) == 1
    assert len(growing.drafts[0].read) == len(SPEECH) // 9600 * 9600
    assert growing.transcribe(Audio(SPEECH), partial=True).text == at_once.transcribe(Audio(SPEECH), partial=True).text
    assert [len(text) for text in drafts] == sorted(len(text) for text in drafts)


def test_turns_of_two_speakers_keep_their_drafts_apart(streaming):
    other = np.random.default_rng(0).standard_normal(len(SPEECH)).astype(np.float32) * 0.3
    both, alone = streaming.load(), streaming.load()
    for n in range(9600, len(SPEECH), 9600):
        mixed = [both.transcribe(Audio(sound[:n]), partial=True).text for sound in (SPEECH, other)]
    assert mixed[0] == alone.transcribe(Audio(SPEECH[:n]), partial=True).text
    assert mixed[0] != mixed[1]


def test_sense_voice_says_language_emotion_and_event_beside_the_words(folders):
    said = FunASR(folders["sense"], "").load().transcribe(Audio(SPEECH))
    assert said.text == "今天很"
    assert said.language == "zh"
    assert said.tags == ("happy", "laughter")


def test_what_is_too_short_or_silent_holds_no_error(folders):
    engine = FunASR(folders["paraformer"], folders["punc"], partial=folders["streaming"]).load()
    for samples in (silence(0), silence(0.05), silence(0.1), SPEECH[:1601], silence(3.0)):
        for partial in (True, False):
            assert isinstance(engine.transcribe(Audio(samples), partial).text, str)
    assert engine.transcribe(Audio(silence(0.05))).text == ""


def test_settings_that_differ_in_hot_words_share_their_weights_until_nobody_uses_them(folders):
    one, other = (FunASR(folders["seaco"], "", hotwords=words).load() for words in ("阿里", "天气"))
    assert one.recogniser is other.recogniser
    model = weakref.ref(one.recogniser.auto.model)
    del one, other
    gc.collect()
    assert model() is None


def test_loading_leaves_logging_and_chance_alone(folders, tmp_path):
    root, drawn = logging.getLogger(), list[float]()
    before = root.handlers[:], root.level, root.manager.disable
    for seed in (7, 8):
        copy = shutil.copytree(folders["paraformer"], tmp_path / str(seed))  # not loaded before
        random.seed(seed)
        FunASR(str(copy), "").load()
        drawn.append(random.random())
    assert drawn[0] != drawn[1]
    assert (root.handlers[:], root.level, root.manager.disable) == before


def test_fsmn_gives_a_probability_for_every_frame_of_32_ms(folders):
    loaded = FSMN(folders["vad"]).load()
    hear, again = loaded.stream(), loaded.stream()
    p = [hear(SPEECH[i : i + FRAME]) for i in range(0, len(SPEECH) - FRAME, FRAME)]
    assert all(0 <= each <= 1 for each in p)
    assert len(set(p)) > 10  # it is computed from the sound
    assert p == [again(SPEECH[i : i + FRAME]) for i in range(0, len(SPEECH) - FRAME, FRAME)]


def test_fsmn_in_frames_is_fsmn_at_once(folders):
    import torch

    loaded = FSMN(folders["vad"]).load()
    hear = loaded.stream()
    p = [hear(SPEECH[i : i + FRAME]) for i in range(0, 40 * FRAME, FRAME)]
    with torch.inference_mode():
        features, _ = loaded.frontend(torch.from_numpy(SPEECH[: 40 * FRAME])[None], [40 * FRAME], cache={}, is_final=False)
        speech = 1 - loaded.model.encoder(features, {})[0, :, 0].numpy()
    # The last frame gave the mean of the last three or four of the model's; 0.8 of the model's is 0.5 here.
    means = [float(speech[-n:].mean()) for n in (3, 4)]
    expected = [m * 0.2 / (m * 0.2 + (1 - m) * 0.8) for m in means]
    assert any(p[-1] == pytest.approx(each, abs=1e-3) for each in expected)


# ── what can be wrong ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lacking", ["model.pt", "config.yaml"])
def test_a_folder_that_is_not_whole_is_named_with_what_it_lacks(folders, tmp_path, lacking):
    copy = shutil.copytree(folders["paraformer"], tmp_path / "half")
    (copy / lacking).unlink()
    with pytest.raises(ModelError, match=rf"asr\.model = .*half.* lacks {lacking}; download it again"):
        FunASR(str(copy), "").load()


def test_half_a_file_of_weights_is_an_error_with_the_mend(folders, tmp_path):
    copy = shutil.copytree(folders["paraformer"], tmp_path / "half")
    whole = (copy / "model.pt").read_bytes()
    (copy / "model.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"cannot be opened .*: download it again"):
        FunASR(str(copy), "").load()


def test_a_name_that_cannot_be_downloaded_says_how_to(folders):
    with pytest.raises(ModelError, match=r"asr\.punctuation = 'no such model' cannot be opened .* run `hf download .*FOLDER"):
        FunASR(folders["paraformer"], "no such model", hub="hf").load()
    with pytest.raises(ModelError, match=r"vad\.model = 'no such model' cannot be opened"):
        FSMN("no such model", hub="hf").load()


def test_a_gpu_that_is_not_there_and_a_hub_that_does_not_exist(folders):
    with pytest.raises(ConfigError, match=r"asr\.device = 'cuda:99': expected auto or cpu"):
        FunASR(folders["paraformer"], "", device="cuda:99").load()
    with pytest.raises(ConfigError, match=r"asr\.hub = 'x': expected ms .* or hf"):
        FunASR(folders["paraformer"], "", hub="x").load()


def test_chosen_by_one_word():
    config = Config().changed({"asr.engine": "funasr", "asr.hotwords": "阿里巴巴", "vad.engine": "fsmn"})
    assert config.asr == FunASR(hotwords="阿里巴巴")
    assert config.vad == FSMN()
