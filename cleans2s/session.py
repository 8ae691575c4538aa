"""THE FILE: one conversation, from the microphone to the loudspeaker.

    hear ─→ VAD ─→ turn.py ─┬ speech ────→ partial words (and, over the agent's voice: whose turn is it?)
                            ├ soft end ──→ respond: transcribe ∥ opinions on the end ─→ think ─→ speak ─→ ┃ gate
                            └ turn end ──→ open the gate                                                  ┃ ─→ play

All work on a reply begins at the soft end, while it is still open whether the user has finished, and waits at one gate
before playback. If the user goes on, the reply is cancelled and nothing of it was heard; if the turn ends, it is (nearly)
ready. Interruption is the reply's cancel scope.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from . import events as ev
from .audio import RATE, Audio
from .config import Config
from .conversation import Conversation
from .engines import Engines
from .errors import StageError, TextError
from .floor import Verdict, takes_the_floor, verdict
from .microphone import Microphone
from .outbox import Outbox
from .reply import Reply
from .stages import Chat, Transcript
from .text import Clauses, StablePrefix, speakable, words_of
from .turn import End, Onset, Pause, Resumption, TurnDetector, TurnEvent

PREROLL = RATE // 4
"""Samples before the detected onset that belong to the turn: VAD notices a soft consonant late."""

PARTIAL_EVERY, PARTIAL_EVERY_OVERLAP = RATE * 6 // 10, RATE * 3 // 10
"""Samples of new speech between two partial transcripts: seldom, because one that is still running at the soft end slows
the final one, and more often over the agent's voice, where they tell whether the user takes the floor."""

PARTIAL_WINDOW = 20 * RATE
"""Of a long turn, partial transcripts are of the last samples only: to hear all of it again and again would leave no time
for anything else."""

CHUNK_S = 0.04
"""Length of a ReplyAudio."""

LONG_S = 1.5
"""Speech that is longer must have words; shorter may be a cough."""

TEXT_LIMIT = 4_000
"""Characters of a typed turn; what an embedded language model can still read."""

APOLOGIES = {
    "asr": "Sorry, I could not make out what you said.",
    "llm": "Sorry, I cannot think of an answer right now.",
}

Sound: TypeAlias = tuple[str, Audio | None] | StageError
"""A piece of a clause's sound; None when the clause is complete. A failure travels in its place in the stream, so that
what came before it is still heard."""

ClauseSink: TypeAlias = MemoryObjectSendStream[str | StageError]


class Session:
    """One conversation.

        async with Session(Config()) as session:
            await session.hear(audio)                    # any chunk size, any rate, as it comes from a microphone
            async for event in session.events(): ...     # in another task

    `conversation` is the record of what was said and heard. Entering loads the engines (once per process).
    """

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.conversation = Conversation()
        self._microphone = Microphone()
        self._turns = TurnDetector(self.config.turn)
        self._turn = 0
        self._prepared: Reply | None = None
        """The reply to the turn in progress, behind its gate."""
        self._waiting: Reply | None = None
        """The reply to a turn that ended while another reply had the floor."""
        self._speaking: Reply | None = None
        """The reply that has the floor."""
        self._partials = StablePrefix()
        self._partial_from = 0
        self._partial_running = anyio.Lock()
        self._engines = Engines(self.config, self._clock, lambda event: self._outbox.note(event))
        self._exit = AsyncExitStack()

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def __aenter__(self) -> Session:
        await self._engines.load()
        self._hears_speech = self._engines.ear()
        self._outbox = Outbox()
        self.began = anyio.current_time()
        self._tasks = await self._exit.enter_async_context(anyio.create_task_group())
        self._tasks.start_soon(self._engines.read_ahead, self._chat("Hello"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        try:
            return await self._exit.__aexit__(kind, error, trace)
        finally:
            self._outbox.close()

    def events(self) -> AsyncGenerator[ev.Event]:
        """What happens, as it happens; ends with the session. For one reader."""
        return self._outbox.events()

    @property
    def now_s(self) -> float:
        """Seconds since the session began."""
        return anyio.current_time() - self.began

    def _clock(self) -> float:
        return self.now_s

    @property
    def idle(self) -> bool:
        """Whether nobody speaks and nothing is being prepared."""
        return self._turns.onset is None and not (self._prepared or self._waiting or self._speaking)

    def _at_s(self, sample: int) -> float:
        """When a sample of the microphone was heard."""
        return self.now_s - (self._turns.heard - sample) / RATE

    # ── hear ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def hear(self, audio: Audio) -> None:
        """The next sound of the user's microphone. Time goes by the samples heard, so silence has to be sent as well."""
        for frame in self._microphone.frames(audio):
            try:
                p_speech = self._hears_speech(frame)
            except Exception as error:  # an engine's fault: the frame counts as silence, and listening goes on
                await self._outbox.put(ev.Failed(self.now_s, "vad", f"{type(error).__name__}: {error}"))
                p_speech = 0.0
            for event in self._turns.push(p_speech, overlap=self._speaking is not None):
                await self._on(event)
            every = PARTIAL_EVERY_OVERLAP if self._speaking else PARTIAL_EVERY
            if self._turns.onset is None:
                self._microphone.forget(self._turns.heard - PREROLL - self._turns.settings.onset_ms * RATE // 1000)
            elif self._turns.heard - self._partial_from >= every and p_speech > 0.5:
                self._partial_from = self._turns.heard
                self._tasks.start_soon(self._transcribe_partially, self._turns.onset)
            await anyio.lowlevel.checkpoint()

    async def tell(self, text: str) -> None:
        """A typed turn; it takes the floor at once."""
        text = text.strip()
        if not 0 < len(text) <= TEXT_LIMIT:
            raise TextError(f"a typed turn of {len(text)} characters: expected 1 to {TEXT_LIMIT}; shorten it")
        if self._speaking:
            await self._interrupt(self._speaking)
        reply = Reply(self._turns.heard, self.now_s, self.now_s, said=Transcript(text))
        reply.understood.set()
        await self._end_turn(reply)

    async def _on(self, event: TurnEvent) -> None:
        match event:
            case Onset(sample, overlap):
                self._partials, self._partial_from = StablePrefix(), sample
                await self._outbox.put(ev.SpeechStarted(self.now_s, self._at_s(sample), overlap))
            case Pause(revision, onset, speech_end):
                await self._outbox.put(ev.SoftEnd(self.now_s, self._at_s(speech_end)))
                self._prepared = Reply(onset, self._at_s(onset), self._at_s(speech_end), revision)
                self._tasks.start_soon(self._respond, self._prepared)
            case Resumption():
                if self._prepared:
                    self._prepared.scope.cancel()
                    self._prepared = None
            case End(onset, speech_end, p_end):
                reply = self._prepared or Reply(onset, self._at_s(onset), self._at_s(speech_end))
                self._prepared, reply.p_end = None, p_end
                await self._end_turn(reply)
        await self._settle()

    async def _end_turn(self, reply: Reply) -> None:
        """The user has finished: this reply may be heard as soon as it has the floor."""
        self._turn += 1
        reply.turn = self._turn
        reply.mark("turn_end", self.now_s)
        if self._waiting:
            await self._close(self._waiting, "dropped")  # this reply will answer both turns
        if self._speaking:
            self._waiting = reply
        else:
            self._speaking = reply
        if not reply.revision:  # nothing was prepared
            self._tasks.start_soon(self._respond, reply)
        reply.gate.set()

    async def _transcribe_partially(self, onset: int) -> None:
        """Words while the user still speaks. Over the agent's voice they show early whether the user takes the floor."""
        if self._partial_running.locked():
            return
        async with self._partial_running:
            heard, voiced_s = self._turns.heard, (self._turns.heard - onset) / RATE
            try:
                audio = self._microphone.since(max(onset - PREROLL, heard - PARTIAL_WINDOW))
                said = await self._engines.transcribe(audio, partial=True)
            except StageError:
                return  # the same words are transcribed again at the soft end, and a failure is reported there
            if self._turns.onset == onset and said.text:
                await self._outbox.put(ev.PartialTranscript(self.now_s, said.text, self._partials.update(said.text)))
                if not (over := self._speaking):
                    await self._engines.read_ahead(self._chat(said.text))
                elif self.config.interruption and takes_the_floor(said, voiced_s, self._agent_words()):
                    await self._interrupt(over)

    # ── the floor: duck → resume or interrupt ─────────────────────────────────────────────────────────────────────────

    async def _settle(self) -> None:
        """The agent pauses while the user makes a sound of which nobody knows yet whether it is a turn (duck), and goes
        on when it was none (resume)."""
        if (reply := self._speaking) is None or reply.over.is_set():
            return
        unclear = self.config.interruption and (self._turns.onset is not None or self._waiting is not None)
        if unclear and not reply.playback.ducked:
            reply.duck(self.now_s)
            await self._outbox.put(ev.Ducked(self.now_s, reply.turn))
        elif not unclear and reply.playback.ducked:
            reply.resume(self.now_s)
            await self._outbox.put(ev.Resumed(self.now_s, reply.turn))

    def _agent_words(self) -> list[str]:
        """What an echo would consist of."""
        return words_of(self._speaking.heard(self.now_s)[0])[-40:] if self._speaking else []

    async def _interrupt(self, reply: Reply) -> None:
        """The user takes the floor: cancel the reply, keep on record what was heard of it, listen."""
        await reply.understood.wait()  # what the user said before belongs to the conversation, answered or not
        await self._put_on_record(reply)
        reply.scope.cancel()
        await self._close(reply, "interrupted")

    async def _close(self, reply: Reply, ending: ev.Ending) -> None:
        """The end of a reply, once: on the record, in the events; the floor goes to the one that waits for it."""
        if reply.over.is_set():
            return
        reply.over.set()
        reply.playback.duck(self.now_s)  # from here on nothing of it is heard
        heard, unheard = reply.heard(self.now_s)
        if ending == "interrupted":
            await self._outbox.put(ev.Interrupted(self.now_s, reply.turn, heard, unheard))
        if self._prepared is reply:
            self._prepared = None
        if self._waiting is reply:
            self._waiting = None
        if self._speaking is reply:
            self._speaking, self._waiting = self._waiting, None
            self.conversation.agent_heard(heard, "" if ending == "finished" else unheard, ending)
        if reply.message:
            await self._outbox.put(ev.ReplyEnded(self.now_s, reply.turn, ending if heard else "dropped", heard))
        await self._settle()

    # ── respond: hear → decide → think → speak → play ────────────────────────────────────────────────────────────────

    async def _respond(self, reply: Reply) -> None:
        """The whole way of one reply, from the user's sound to the agent's."""
        with reply.scope:
            try:
                if not await self._decide(reply):
                    ending: ev.Ending = "dropped"
                else:
                    ending = await self._deliver(reply, self._think)
            except StageError as failure:
                ending = await self._apologise(reply, failure)
            await self._close(reply, ending)

    async def _decide(self, reply: Reply) -> bool:
        """What was said, is it a turn, and has it ended? Returns whether there is something to answer."""
        audio = self._microphone.since(reply.onset - PREROLL)
        if reply.said is None:
            try:
                reply.said = await self._engines.transcribe(audio)
            finally:
                reply.understood.set()
            reply.mark("transcript", self.now_s)
        over = self._speaking if self._speaking is not reply else None
        if not reply.said.text and not over and reply.voiced_s >= LONG_S:
            raise StageError("asr", f"heard {reply.voiced_s:.1f} s of speech and returned no words")
        judged: Verdict = "turn"
        if over or not reply.said.text:
            judged = verdict(reply.said, reply.voiced_s, self._agent_words())
        if judged != "turn":
            if self._prepared is reply:
                self._turns.drop()
            await self._outbox.put(ev.Ignored(self.now_s, reply.onset_s, reply.said.text, judged))
            return False
        if over and self.config.interruption:
            await self._interrupt(over)
        if reply.revision:
            self._tasks.start_soon(self._judge, reply, reply.said, audio)
        # Where it has to wait for the floor, it waits before thinking: the prompt holds what was heard meanwhile.
        return self.config.interruption or not over or await self._take_the_floor(reply)

    async def _take_the_floor(self, reply: Reply) -> bool:
        """Wait for the end of the turn and for the floor; False if a later turn got there first (its reply answers both)."""
        await reply.gate.wait()
        await self._put_on_record(reply)
        while (other := self._speaking) and other is not reply and not reply.over.is_set():
            if self.config.interruption:
                await self._interrupt(other)
            else:
                await other.over.wait()
        return not reply.over.is_set()

    async def _apologise(self, reply: Reply, failure: StageError) -> ev.Ending:
        """Says in words that this reply failed, where there still is a voice."""
        has_floor = await self._take_the_floor(reply)
        await self._outbox.put(ev.Failed(self.now_s, failure.stage, failure.message))
        if failure.stage in APOLOGIES and has_floor:

            async def words(_: Reply, clauses: ClauseSink) -> None:
                async with clauses:
                    await clauses.send(APOLOGIES[failure.stage])

            await self._deliver(reply, words)
        return "failed"

    async def _deliver(self, reply: Reply, source: Callable[[Reply, ClauseSink], Coroutine[Any, Any, None]]) -> ev.Ending:
        """Speak what `source` thinks, ahead as far as small buffers reach, and play it once the gate is open."""
        clause_sink, clauses = anyio.create_memory_object_stream[str | StageError](4)
        sound_sink, sound = anyio.create_memory_object_stream[Sound](4)
        failure: StageError | None = None
        with clause_sink, clauses, sound_sink, sound:
            async with anyio.create_task_group() as ahead:
                ahead.start_soon(source, reply, clause_sink)
                ahead.start_soon(self._speak, reply, clauses, sound_sink)
                failure = await self._play(reply, sound)
                ahead.cancel_scope.cancel()
        return await self._apologise(reply, failure) if failure else "finished"

    async def _think(self, reply: Reply, clauses: ClauseSink) -> None:
        assert reply.said
        chat, splitter = self._chat("" if reply.message else reply.said.text), Clauses()
        async with clauses:
            try:
                async with aclosing(self._engines.think(chat)) as pieces:
                    async for piece in pieces:
                        reply.mark("first_token", self.now_s)
                        for clause in splitter.push(piece):
                            reply.mark("first_clause", self.now_s)
                            await clauses.send(clause)
                for clause in splitter.flush():
                    reply.mark("first_clause", self.now_s)
                    await clauses.send(clause)
            except StageError as failure:
                await clauses.send(failure)

    async def _speak(
        self,
        reply: Reply,
        clauses: MemoryObjectReceiveStream[str | StageError],
        sound: MemoryObjectSendStream[Sound],
    ) -> None:
        async with sound:
            async for clause in clauses:
                if isinstance(clause, StageError):
                    await sound.send(clause)
                    return
                if not (text := speakable(clause)):
                    continue
                reply.clauses.append(text)
                try:
                    async with aclosing(self._engines.speak(text)) as pieces:
                        async for audio in pieces:
                            reply.mark("first_audio", self.now_s)
                            await sound.send((text, audio))
                except StageError as failure:
                    await sound.send(failure)
                    return
                await sound.send((text, None))

    async def _play(self, reply: Reply, sound: MemoryObjectReceiveStream[Sound]) -> StageError | None:
        """Behind the gate, and paced: the client holds no more than a small lead, so that an interruption is exact."""
        if not await self._take_the_floor(reply):
            return None
        self.conversation.agent_begins(self.now_s)
        failure = None
        async for item in sound:
            match item:
                case StageError():
                    failure = item
                case (_, None):
                    reply.playback.end_clause()
                case (text, audio):
                    if reply.playback.piece(text, audio.duration_s):
                        await self._outbox.put(ev.ReplyText(self.now_s, reply.turn, text))
                    await self._play_piece(reply, audio)
        await reply.caught_up(self._clock, lead_s=0.0)
        return failure

    async def _play_piece(self, reply: Reply, audio: Audio) -> None:
        step = math.ceil(audio.rate * CHUNK_S)
        for start in range(0, len(audio.samples), step):
            await reply.caught_up(self._clock, self.config.lead_s)
            if "reply" not in reply.marks:
                reply.mark("reply", self.now_s)
                await self._outbox.put(ev.ReplyStarted(self.now_s, reply.turn, reply.latency()))
            chunk = replace(audio, samples=audio.samples[start : start + step])
            reply.playback.send(chunk.duration_s, self.now_s)
            await self._outbox.put(ev.ReplyAudio(self.now_s, reply.turn, chunk))
            self.conversation.agent_heard(reply.heard(self.now_s)[0])

    async def _put_on_record(self, reply: Reply) -> None:
        """The turn is over, and its words (if any were understood) are part of the conversation."""
        if reply.message is None:
            text = reply.said.text if reply.said else ""
            reply.message = self.conversation.user_said(text, reply.onset_s)
            await self._outbox.put(ev.TurnEnded(self.now_s, reply.turn, reply.onset_s, reply.speech_end_s, text, reply.p_end))

    # ── opinions on whether the turn is over ──────────────────────────────────────────────────────────────────────────

    async def _judge(self, reply: Reply, said: Transcript, audio: Audio) -> None:
        """The words' opinion first, because it decides most cases; the sound's where it still can change the answer. A
        missing opinion is told of, and only makes the turn's end come later."""
        try:
            p = await self._engines.words_complete(said)
            reply.mark("opinions", self.now_s)
            for event in self._turns.opine(reply.revision, words=p):
                await self._on(event)
        except StageError as failure:
            self._outbox.note(ev.Failed(self.now_s, failure.stage, failure.message))
        try:
            if self._turns.revision == reply.revision and self._turns.undecided:
                p = await self._engines.sound_complete(audio)
                for event in self._turns.opine(reply.revision, audio=p):
                    await self._on(event)
        except StageError as failure:
            self._outbox.note(ev.Failed(self.now_s, failure.stage, failure.message))

    def _chat(self, words: str) -> Chat:
        return self.conversation.prompt(self.config.instructions, words)
