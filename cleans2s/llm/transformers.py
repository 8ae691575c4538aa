"""Any chat model in Hugging Face transformers, on the CPU or a GPU: by its name, from a folder or from a GGUF file.

The loop that writes is here, and not the library's `generate`, so that a reply is a generator: closing it ends it between
two tokens, and what was read for it is kept for the next prompt that begins alike.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ..catalogue import CATALOGUE
from ..devices import torch_device
from ..errors import ConfigError, ModelError, TextError
from ..models import path
from ..stages import Chat, Finish, ToolCall, Wishes, imported, shared
from .calls import before_calls, calls_in, held_back
from .imitation import EXAMPLES, REPEAT_PENALTY, REPEAT_TOKENS, enough, last_exchange
from .llama import CLOSING, JUDGED_UNDER, MARKS
from .prefixes import Prefixes
from .template import Template

READ_AT_ONCE = 512
"""Tokens of a prompt between two moments at which a cancelled reply can stop."""

SAID_AGAIN = 8
"""Tokens in a row that are not written a second time in one reply: small models fall into loops."""

JUDGED_CHARS = 1024
"""Characters of words that are judged: far more than decide."""

DTYPES = ("auto", "float32", "float16", "bfloat16")
INSTALL = "pip install transformers accelerate gguf torch"


@dataclass(frozen=True)
class Transformers:
    """What transformers can load. On one core SmolLM2-135M takes 43 ms per token, a third of the speed of `Llama`."""

    model: str = "smollm2-135m"
    """A name from `cleans2s models list`, a folder, a GGUF file, or a name of the model hub ("Qwen/Qwen2.5-1.5B-Instruct")."""

    device: str = "auto"
    """"auto" (a GPU where there is one), "cpu", "cuda" or "cuda:1"."""

    dtype: str = "auto"
    """Of the weights: "auto" (float32 on the CPU, elsewhere as they were saved), "float32", "float16" or "bfloat16"."""

    max_tokens: int = 120
    temperature: float = 0.0
    """At 0 the most probable words; above, the model's own `top_k` and `top_p` apply."""

    examples: tuple[tuple[str, str], ...] = EXAMPLES
    """As in `Llama`: pairs of question and answer to imitate; none for a model that follows instructions."""

    side_by_side: int = 2
    """Replies that are written at the same time; more wait."""

    threads: int = 1
    """Of the CPU, for everything in this process that runs in torch. More than there are idle cores wait for each other."""

    def load(self) -> LoadedTransformers:
        if self.dtype not in DTYPES:
            raise ConfigError(f"llm.dtype = {self.dtype!r}: expected {', '.join(DTYPES)}")
        try:
            device = torch_device(self.device, "llm.device")
            imported("torch").set_num_threads(self.threads)
            source, gguf = _located(self.model)
            key = Transformers, source, gguf, device, self.dtype
            weights = shared(key, lambda: _weights(source, gguf, device, self.dtype))
        except ModuleNotFoundError as error:
            raise ModelError(
                f"the package {error.name} is not installed, and llm.engine = transformers needs it: {INSTALL}"
            ) from None
        loaded = LoadedTransformers(weights, self)
        loaded.complete("Hello")
        return loaded


def _located(model: str) -> tuple[str, str | None]:
    """A folder or a name of the hub, and the GGUF file in it if it is one."""
    found = path(model) if any(model == row.name for row in CATALOGUE) else Path(model).expanduser()
    if found.suffix == ".gguf":
        if not found.is_file():
            raise ModelError(f"llm.model = {model!r}: there is no such file; expected a GGUF file with a chat model")
        return str(found.parent), found.name
    if found.is_dir():
        files = sorted(file.name for file in found.glob("*.gguf"))
        return str(found), files[0] if files and not (found / "config.json").exists() else None
    return model, None


def _offered(wishes: Wishes) -> tuple[Any, ...]:
    if wishes.tool_choice in ("auto", "required", "none"):
        return () if wishes.tool_choice == "none" else wishes.tools
    return tuple(tool for tool in wishes.tools if tool["function"]["name"] == wishes.tool_choice["function"]["name"])


ABLE_WEIGHTS, GUIDED_WEIGHTS = 1_000_000_000, 3_000_000_000
"""A smaller model says notes aloud that it is given; one smaller than the second cannot be told how to answer (see `llama`)."""


@dataclass
class Weights:
    """One set for all settings that only change how it is asked."""

    tokenizer: Any
    model: Any


def _weights(source: str, gguf: str | None, device: str, dtype: str) -> Weights:
    transformers = imported("transformers")
    transformers.utils.logging.disable_progress_bar()
    wanted = "float32" if dtype == "auto" and device == "cpu" else dtype
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, gguf_file=gguf)
        model = transformers.AutoModelForCausalLM.from_pretrained(source, gguf_file=gguf, dtype=wanted)
        model = model.to(device).eval()
    except Exception as error:  # a wrong file leads to any error, of several packages
        said = " ".join(str(error).split())[:300]
        raise ModelError(
            f"llm.model = {source if gguf is None else f'{source}/{gguf}'!r} cannot be loaded on {device} ({said}); expected a "
            "name from `cleans2s models list`, a folder with config.json, tokenizer and weights, a GGUF file (with the "
            "package gguf installed), or a name of the model hub and a way to reach it"
        ) from None
    if not tokenizer.chat_template:
        raise ModelError(f"llm.model = {source!r} has no chat template; choose a model that was trained for conversation")
    return Weights(tokenizer, model)


@dataclass
class LoadedTransformers:
    weights: Weights
    settings: Transformers

    def __post_init__(self) -> None:
        self.tokenizer, self.model = self.weights.tokenizer, self.weights.model
        self._torch = imported("torch")
        self._replies, self._judged = Prefixes(2 * self.settings.side_by_side), Prefixes(2)
        size = self.model.num_parameters()
        self.able, self.guided = size > ABLE_WEIGHTS, size > GUIDED_WEIGHTS
        self.places = 2 * self.settings.side_by_side  # of each conversation a reply, and words to judge
        self._template = Template(self.tokenizer, self.settings.model)
        ends: Any = self.model.generation_config.eos_token_id
        self._ends = {*(ends if isinstance(ends, list) else [ends]), self.tokenizer.eos_token_id}
        self._context = getattr(self.model.config.get_text_config(), "max_position_embeddings", 1 << 20)
        judged = [{"role": "system", "content": JUDGED_UNDER}, {"role": "user", "content": "WORDS"}]
        self._before_words = self._template.prompt(judged).partition("WORDS")[0]

    def reply(self, chat: Chat) -> Iterator[str]:
        return cast("Iterator[str]", self.reply_as(chat, Wishes()))  # without functions there are no calls of them

    def reply_as(self, chat: Chat, wishes: Wishes) -> Generator[str | ToolCall]:
        """Text as it is generated, calls at its end, and a `Finish`. Whether to call is up to the model: one that must call
        and does not is an error."""
        tools = _offered(wishes)
        examples = () if tools else self.settings.examples  # they call no functions
        brief = not self.able and not tools
        prompt = self._tokens(self._template.prompt(last_exchange(chat) if brief else chat, examples, tools))
        limit = min(wishes.max_tokens or self.settings.max_tokens, self._context - len(prompt))
        if limit < 1:
            raise TextError(f"the conversation has {len(prompt)} tokens: expected less than {self._context}; shorten it")
        temperature = self.settings.temperature if wishes.temperature is None else wishes.temperature
        written, text, said, stopped = list[int](), "", 0, False
        for token in self._written(prompt, limit, self._chooser(temperature, may_repeat=bool(tools))):
            written += [] if token is None else [token]
            text = self.tokenizer.decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            if stops := [place for stop in wishes.stop if (place := text.find(stop)) >= 0]:
                text, stopped = text[: min(stops)], True
                break
            if brief and (end := enough(text)) is not None:
                text, stopped = text[:end], True
                break
            sure = len(text.rstrip("\ufffd")) - held_back(text, wishes.stop)  # half a character, half a stop word
            sure = max(said, min(sure, before_calls(text) if tools else sure))
            yield text[said:sure]
            said = sure
        calls = list(calls_in(text[said:])) if tools and before_calls(text) < len(text) else []
        if tools and not calls and wishes.tool_choice != "auto":
            raise RuntimeError("the model called no function where it had to; leave tool_choice at auto, or choose another one")
        if not calls:
            yield text[said:]
        yield from calls
        ended = stopped or len(written) < limit
        yield Finish("tool_calls" if calls else "stop" if ended else "length", len(prompt), len(written))

    def read(self, chat: Chat) -> None:
        chat = chat if self.able else last_exchange(chat)
        self._after(self._tokens(self._template.prompt(chat, self.settings.examples)), self._replies)

    def complete(self, words: str) -> float:
        """The probability that a sentence end or the end of the message follows these words of a user, asked as `Llama`
        asks it."""
        heard = self._template.plain(words).rstrip(MARKS)[-JUDGED_CHARS:]
        p, ids = self._after(self._tokens(self._before_words + heard), self._judged).softmax(-1).topk(40)
        follows = [self.tokenizer.decode([i], skip_special_tokens=True).strip()[:1] for i in ids.tolist()]
        ends = [i in self._ends or (mark != "" and mark in CLOSING) for i, mark in zip(ids.tolist(), follows, strict=True)]
        return min(1.0, sum(q for q, end in zip(p.tolist(), ends, strict=True) if end))

    def _written(self, prompt: list[int], limit: int, choose: Any) -> Generator[int | None]:
        """The tokens of a reply; None while a long prompt is being read."""
        done, cache = self._replies.resume(prompt)
        tokens = list(prompt)
        try:
            while len(tokens) < len(prompt) + limit:
                chunk = tokens[done : done + READ_AT_ONCE]
                unread, cache = cache, None  # a step that fails leaves a cache that nobody can use
                logits, cache = self._step(chunk, unread)
                done += len(chunk)
                if done < len(tokens):
                    yield None
                elif (token := choose(tokens, len(prompt), logits)) in self._ends:
                    break
                else:
                    tokens.append(token)
                    yield token
        finally:
            if cache is not None:
                self._replies.keep(tokens[:done], cache)

    def _after(self, tokens: list[int], prefixes: Prefixes) -> Any:
        """Scores of what follows these tokens, which are kept as read."""
        done, cache = prefixes.resume(tokens)
        logits, cache = self._step(tokens[done:], cache)
        prefixes.keep(tokens, cache)
        return logits[0]

    def _step(self, tokens: list[int], cache: Any) -> tuple[Any, Any]:
        with self._torch.inference_mode():
            ids = self._torch.tensor([tokens], device=self.model.device)
            out = self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            return out.logits[:, -1].float(), out.past_key_values

    def _chooser(self, temperature: float, may_repeat: bool) -> Any:
        """Chooses the next token. JSON may repeat itself, speech may not, and a small model not what it was shown either."""
        kinds, own, torch = imported("transformers.generation.logits_process"), self.model.generation_config, self._torch
        steps = kinds.LogitsProcessorList([] if may_repeat else [kinds.NoRepeatNGramLogitsProcessor(SAID_AGAIN)])
        if not (self.able or may_repeat):
            steps.append(kinds.RepetitionPenaltyLogitsProcessor(REPEAT_PENALTY))
        if temperature > 0:
            steps.append(kinds.TemperatureLogitsWarper(float(temperature)))
            steps += [kinds.TopKLogitsWarper(own.top_k)] if own.top_k else []
            steps += [kinds.TopPLogitsWarper(own.top_p)] if own.top_p else []

        def choose(tokens: list[int], begun: int, logits: Any) -> int:
            written = tokens[begun:] if self.able else tokens[-REPEAT_TOKENS:]
            ids = torch.tensor([written], dtype=torch.long, device=logits.device)
            scores = steps(ids, logits)
            return int(torch.multinomial(scores.softmax(-1), 1) if temperature > 0 else scores.argmax())

        return choose

    def _tokens(self, prompt: str) -> list[int]:
        return self.tokenizer(prompt, add_special_tokens=False).input_ids  # the template has written them
