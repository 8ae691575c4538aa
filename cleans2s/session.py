"""THE FILE: one conversation, from the microphone to the loudspeaker.

    hear ─→ VAD ─→ turn.py ─┬ speech ────→ partial words: look up? cut in? (and, over the agent's voice: whose turn is it?)
                            ├ soft end ──→ respond: transcribe ─→ judge ∥ look up ∥ opinions on the end ─→ think ─→ speak ┃
                            └ turn end ──→ open the gate                                                             gate ┃ play

All work on a reply begins at the soft end, while it is still open whether the user has finished, and waits at one gate
before playback. If the user goes on, the reply is cancelled and nothing of it was heard; if the turn ends, it is (nearly)
ready. Interruption is the reply's cancel scope.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Literal

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream

from . import events as ev
from .audio import RATE, Audio
from .config import Config
from .conversation import Conversation, Message, new_id
from .engines import Engines
from .errors import StageError, TextError, TurnError
from .floor import Verdict, takes_the_floor, verdict
from .initiative import Initiative
from .memory import Memory
from .microphone import Microphone
from .mind import Mind, Thought
from .outbox import Outbox
from .player import play
from .recorder import Recorder
from .reply import Reply, Request
from .speech import Sound, spoken, written
from .stages import ToolCall, Transcript
from .text import StablePrefix, words_of
from .thinking import Thinking
from .turn import FRAME, End, Onset, Pause, Resumption, TurnDetector, TurnEvent

PREROLL = RATE // 4
"""Samples before the detected onset that belong to the turn: VAD notices a soft consonant late."""

PARTIAL_EVERY, PARTIAL_EVERY_OVERLAP = RATE * 6 // 10, RATE * 3 // 10
"""Samples of new speech between two partial transcripts: seldom, because one that is still running at the soft end slows
the final one, and more often over the agent's voice, where they tell whether the user takes the floor."""

INSIST_S = 2.0
"""When the agent cuts in, it is not stopped by the user's going on for so long: nobody falls silent at once."""

LONG_S = 1.5
"""Speech that is longer must have words; shorter may be a cough."""

TEXT_LIMIT = 4_000
"""Characters of a typed turn; what an embedded language model can still read."""

SHORTEST_S = 0.1
"""Sound that is committed by hand has to be longer."""


class Session:
    """One conversation.

        async with Session(Config()) as session:
            await session.hear(audio)                    # any chunk size, any rate, as it comes from a microphone
            async for event in session.events(): ...     # in another task

    `conversation` is the record of what was said and heard. Entering loads the engines (once per process).
    """

    def __init__(self, config: Config | None = None, recorder: Recorder | None = None) -> None:
        self.config, self._recorder = config or Config(), recorder or Recorder(None)
        self.conversation = Conversation()
        self.request: Request | None = Request()
        """How turns are answered; None: they are only put on record, and answered when `respond` is called."""
        self._microphone = Microphone()
        self._turns = TurnDetector(self.config.turn)
        self._turn = 0
        self._said_id = new_id()
        """Of the turn in progress, on the record."""
        self._uncommitted = 0
        """First sample of the turn in progress, where turns are ended by hand."""
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
        self._mind = Mind(self._engines, self.conversation, self._time, lambda *run: self._tasks.start_soon(*run))
        self._exit = AsyncExitStack()

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def __aenter__(self) -> Session:
        await self._engines.load()
        self._p_speech = self._engines.ear()
        self._outbox = Outbox(self._recorder.happened)
        await self._mind.open(self.config)
        self.began, self._began_at = anyio.current_time(), datetime.now().astimezone()
        self._recorder.begin(self.config, self._clock, self._outbox.note)
        self._tasks = await self._exit.enter_async_context(anyio.create_task_group())
        self._thinking = Thinking(self, self._mind, self._engines, self._outbox)
        self._tasks.start_soon(self._engines.read_ahead, self._thinking.prompt("Hello"))
        self._initiative = Initiative(self, self._turns, self._mind, self._engines, self._outbox)
        self._tasks.start_soon(self._initiative.take)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        try:
            return await self._exit.__aexit__(kind, error, trace)
        finally:
            await self._mind.close()
            await self._recorder.close()
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

    def _time(self) -> datetime:
        """Of the day; it goes by the session's own clock."""
        return self._began_at + timedelta(seconds=self.now_s)

    @property
    def memory(self) -> Memory | None:
        """What is remembered of this user, if anything is."""
        return self._mind.memory

    @property
    def idle(self) -> bool:
        """Whether nobody speaks and nothing is being prepared."""
        return self._turns.onset is None and not (self._prepared or self._waiting or self._speaking)

    @property
    def replying(self) -> str | None:
        """The id (on the record) of the reply that is on its way to the user."""
        return self._speaking.id if self._speaking else None

    @property
    def heard_s(self) -> float:
        """Seconds of the user's sound heard so far."""
        return self._turns.heard / RATE

    @property
    def hears_speech(self) -> bool:
        """Whether a turn of the user is in progress."""
        return self._turns.onset is not None

    def _at_s(self, sample: int) -> float:
        """When a sample of the microphone was heard."""
        return self.now_s - (self._turns.heard - sample) / RATE

    # ── hear ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def hear(self, audio: Audio) -> None:
        """The next sound of the user's microphone. Time goes by the samples heard, so silence has to be sent as well."""
        self._recorder.heard(audio)
        for frame in self._microphone.frames(audio):
            if not self.config.hands_free:
                self._turns.heard += FRAME
                self._uncommitted = max(self._uncommitted, self._turns.heard - int(self.config.turn.max_turn_s * RATE))
                self._microphone.forget(self._uncommitted - PREROLL)
                continue
            try:
                p_speech = self._p_speech(frame)
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

    # ── asked by whoever drives it ────────────────────────────────────────────────────────────────────────────────────

    async def tell(self, text: str) -> None:
        """A typed turn; it takes the floor at once."""
        text = text.strip()
        if not 0 < len(text) <= TEXT_LIMIT:
            raise TextError(f"a typed turn of {len(text)} characters: expected 1 to {TEXT_LIMIT}; shorten it")
        if self._speaking:
            await self._interrupt(self._speaking, by="request")
        await self._end_turn(self._unheard_turn(Transcript(text), self.request or Request()))

    async def respond(self, request: Request | None = None, item: str = "") -> None:
        """Answer what is on record now, without a turn of the user before it; `item` is the id that the answer will have on
        the record. Raises TurnError while another reply is on its way (unless this one is aside)."""
        reply = self._unheard_turn(Transcript(""), request or self.request or Request())
        if reply.wants_floor and self._speaking:
            raise TurnError("a reply is already on its way: cancel it, or wait for its end")
        reply.message, reply.id = self.conversation.unanswered or Message("user", ""), item or reply.id
        reply.said = Transcript(reply.message.text)
        await self._end_turn(reply)

    async def commit(self) -> None:
        """The user's turn ends here. Raises TurnError if there was none."""
        onset = self._turns.onset if self.config.hands_free else self._uncommitted
        if onset is None or self._turns.heard - onset < SHORTEST_S * RATE:
            raise TurnError(f"no sound to commit: expected at least {SHORTEST_S * 1000:.0f} ms of a turn")
        self._turns.drop()
        await self._on(End(onset, self._turns.heard, None))
        self._uncommitted, self._said_id = self._turns.heard, new_id()

    async def clear(self) -> None:
        """Forget the turn in progress."""
        self._turns.drop()
        self._uncommitted = self._turns.heard
        await self._on(Resumption(self._turns.heard))

    async def cancel(self) -> None:
        """End the reply that is on its way, as an interruption does."""
        while self._speaking:
            await self._interrupt(self._speaking, by="request")

    def played(self, item: str, position_s: float) -> None:
        """The client's word on how much of a reply's sound has been heard."""
        if self._speaking and self._speaking.id == item:
            self._speaking.playback.report(position_s, self.now_s)
        else:
            self.conversation.was_heard(item, position_s)

    async def configure(self, config: Config) -> None:
        """Settings that act from now on. Engines that are new are loaded before; if one cannot be, nothing changes."""
        await self._engines.load(config)
        await self._mind.open(config)
        self._recorder.configured(config)
        if config.vad != self.config.vad:
            self._p_speech = self._engines.ear()
        by_hand = self.config.hands_free != config.hands_free
        self.config, self._turns.settings = config, config.turn
        if by_hand:
            await self.clear()
        await self._settle()

    async def unblock(self) -> None:
        """Answer again, before the block after repeated abuse has ended."""
        await self._mind.unblock()

    # ── the user's turn ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _on(self, event: TurnEvent) -> None:
        match event:
            case Onset(sample, overlap):
                self._partials, self._partial_from, self._said_id = StablePrefix(), sample, new_id()
                await self._outbox.put(ev.SpeechStarted(self.now_s, self._at_s(sample), overlap, sample / RATE, self._said_id))
            case Pause(revision, onset, speech_end):
                await self._outbox.put(ev.SoftEnd(self.now_s, self._at_s(speech_end)))
                self._prepared = self._heard_turn(onset, speech_end, revision)
                self._tasks.start_soon(self._respond, self._prepared)
                self._tasks.start_soon(self._initiative.nod, self._prepared)
            case Resumption():
                if self._prepared:
                    self._prepared.scope.cancel()
                    self._prepared = None
            case End(onset, speech_end, p_end):
                reply = self._prepared or self._heard_turn(onset, speech_end)
                self._prepared, reply.p_end = None, p_end
                await self._end_turn(reply)
        await self._settle()

    def _heard_turn(self, onset: int, speech_end: int, revision: int = 0) -> Reply:
        reply = Reply(onset, self._at_s(onset), self._at_s(speech_end), revision, request=self.request, said_id=self._said_id)
        before = PREROLL if self.config.hands_free else 0
        reply.sound, reply.audio_end_s = self._microphone.since(onset - before), speech_end / RATE
        return reply

    def _unheard_turn(self, said: Transcript, request: Request) -> Reply:
        reply = Reply(self._turns.heard, self.now_s, self.now_s, said=said, request=request, said_id=new_id())
        reply.audio_end_s = self._turns.heard / RATE
        reply.understood.set()
        return reply

    async def _end_turn(self, reply: Reply) -> None:
        """The user has finished: this reply may be heard as soon as it has the floor."""
        self._turn += 1
        reply.turn = self._turn
        reply.mark("turn_end", self.now_s)
        if reply.message:
            await self._announce(reply)
        if reply.wants_floor:
            if self._waiting:
                await self._close(self._waiting, "dropped")  # this reply will answer both turns
            if self._speaking:
                self._waiting = reply
            else:
                self._speaking = reply
        if not reply.revision:  # nothing was prepared
            self._tasks.start_soon(self._respond, reply)
        reply.gate.set()
        await self._settle()

    async def _transcribe_partially(self, onset: int) -> None:
        """Words while the user still speaks. Over the agent's voice they show early whether the user takes the floor."""
        if self._partial_running.locked():
            return
        async with self._partial_running:
            voiced_s = (self._turns.heard - onset) / RATE
            try:
                said = await self._engines.transcribe(self._microphone.since(onset - PREROLL), partial=True)
            except StageError:
                return  # the same words are transcribed again at the soft end, and a failure is reported there
            if self._turns.onset != onset or not said.text:
                return
            await self._outbox.put(ev.PartialTranscript(self.now_s, said.text, self._partials.update(said.text)))
            if over := self._speaking:
                await self._overheard(over, onset, said, voiced_s)
                return
            # Beside the next draft: where a draft has other words than the one before, reading may take seconds.
            self._tasks.start_soon(self._engines.read_ahead, self._thinking.prompt(said.text))
            if thought := await self._consider(onset, said):
                await self._initiative.prepare_nod(onset, said, thought)

    async def _consider(self, onset: int, said: Transcript) -> Thought | None:
        """What was said so far may be something to look up. Or the agent takes the floor while the user speaks: politely, and
        seldom; then it is the turn."""
        if not (self.config.hands_free and self.request and (self.config.proactive or self.config.finders)):
            return None
        try:
            thought = await self._mind.consider(said, self.config, partial=True)
        except StageError:
            return None  # the whole turn is judged again, and a failure is reported there
        if thought.cuts_in and self.config.proactive and self._turns.onset == onset and not self._speaking:
            await self._on(Resumption(self._turns.heard))
            reply = self._heard_turn(onset, self._turns.heard)
            reply.said, reply.thought = said, thought
            reply.understood.set()
            self._turns.drop()
            await self._end_turn(reply)
        return thought

    # ── the floor: duck → resume or interrupt ─────────────────────────────────────────────────────────────────────────

    async def _settle(self) -> None:
        """The agent pauses while the user makes a sound of which nobody knows yet whether it is a turn (duck), and goes
        on when it was none (resume)."""
        if (reply := self._speaking) is None or reply.over.is_set():
            return
        user_speaks = self._turns.onset is not None and not self._insists(reply, self._turns.onset)
        unclear = self.config.interruption and (user_speaks or self._waiting is not None)
        if unclear and not reply.playback.ducked:
            reply.duck(self.now_s)
            await self._outbox.put(ev.Ducked(self.now_s, reply.turn))
        elif not unclear and reply.playback.ducked:
            reply.resume(self.now_s)
            await self._outbox.put(ev.Resumed(self.now_s, reply.turn))

    def _insists(self, reply: Reply, onset: int) -> bool:
        """Whether speech from this sample on is only the rest of what the agent cut into."""
        cut_at = int(reply.audio_end_s * RATE)
        began_then = onset - cut_at < INSIST_S * RATE
        return bool(reply.thought and reply.thought.cuts_in) and began_then and self._turns.heard - cut_at < INSIST_S * RATE

    async def _overheard(self, over: Reply, onset: int, said: Transcript, voiced_s: float) -> None:
        """Words over the agent's voice: they interrupt it if they take the floor and are spoken to it."""
        if self._insists(over, onset) or not self.config.interruption:
            return
        if takes_the_floor(said, voiced_s, self._agent_words()) and await self._mind.addressed(said, self.config):
            await self._interrupt(over)

    def _agent_words(self) -> list[str]:
        """What an echo would consist of."""
        return words_of(self._speaking.heard(self.now_s)[0])[-40:] if self._speaking else []

    async def _interrupt(self, reply: Reply, by: Literal["voice", "request"] = "voice") -> None:
        """The user takes the floor: cancel the reply, keep on record what was heard of it, listen."""
        await reply.understood.wait()  # what the user said before belongs to the conversation, answered or not
        await self._put_on_record(reply)
        reply.scope.cancel()
        await self._close(reply, "interrupted", by)

    async def _close(self, reply: Reply, ending: ev.Ending, by: Literal["voice", "request"] = "voice") -> None:
        """The end of a reply, once: on the record, in the events; the floor goes to the one that waits for it."""
        if reply.over.is_set():
            return
        reply.over.set()
        reply.playback.duck(self.now_s)  # from here on nothing of it is heard
        heard, unheard = reply.heard(self.now_s)
        if ending == "interrupted":
            await self._outbox.put(ev.Interrupted(self.now_s, reply.turn, heard, unheard, by))
        if self._prepared is reply:
            self._prepared = None
        if self._waiting is reply:
            self._waiting = None
        if self._speaking is reply:
            self._speaking, self._waiting = self._waiting, None
        self.conversation.agent_heard(reply.id, heard, "" if ending == "finished" else unheard, ending)
        if "due" in reply.marks:
            ending = ending if heard or reply.calls else "dropped"
            await self._outbox.put(ev.ReplyEnded(self.now_s, reply.turn, ending, heard, reply.cut_short))
        await self._settle()

    # ── respond: hear → decide → think → speak → play ────────────────────────────────────────────────────────────────

    async def _respond(self, reply: Reply) -> None:
        """The whole way of one reply, from the user's sound to the agent's."""
        with reply.scope:
            try:
                ending: ev.Ending = "dropped"
                if await self._decide(reply):
                    if reply.request and reply.answers:
                        ending = await self._deliver(reply, self._thinking.words(reply, reply.request))
                    else:
                        await self._take_the_floor(reply)
            except StageError as failure:
                ending = await self._apologise(reply, failure)
            await self._close(reply, ending)

    async def _decide(self, reply: Reply) -> bool:
        """What was said, is it a turn, and has it ended? Returns whether there is something to answer."""
        if reply.said is None:
            try:
                reply.said = await self._engines.transcribe(reply.sound)
            finally:
                reply.understood.set()
            reply.mark("transcript", self.now_s)
        if reply.message:  # asked for; there is no turn to judge, but the words that wait on record may be
            if reply.message.text and reply.request and reply.request.judged:
                await self._think_over(reply)
                await self._tell_thought(reply)
            return True
        over = self._speaking if self._speaking is not reply else None
        judged: Verdict = "turn"
        if self.config.hands_free and reply.voiced_s and (over or not reply.said.text):
            if not over and reply.voiced_s >= LONG_S:
                raise StageError("asr", f"heard {reply.voiced_s:.1f} s of speech and returned no words")
            judged = verdict(reply.said, reply.voiced_s, self._agent_words())
            if over and self._insists(over, reply.onset):
                judged = "tail"
        if judged == "turn" and reply.revision and not over:
            self._tasks.start_soon(self._judge, reply, reply.said)
        if judged == "turn" and reply.request and not reply.thought:
            await self._think_over(reply)
            if over and reply.thought and not (reply.answers or reply.thought.to_agent):
                judged = "aside"
        if judged != "turn":
            if self._prepared is reply:
                self._turns.drop()
            await self._outbox.put(ev.Ignored(self.now_s, reply.onset_s, reply.said.text, judged))
            return False
        if over and self.config.interruption:
            await self._interrupt(over)
        if over and reply.revision:
            self._tasks.start_soon(self._judge, reply, reply.said)
        # Where it has to wait for the floor, it waits before thinking: the prompt holds what was heard meanwhile.
        return self.config.interruption or not over or await self._take_the_floor(reply)

    async def _think_over(self, reply: Reply) -> None:
        assert reply.said
        try:
            engaged = self._initiative.nodded_since(reply.onset)
            reply.thought = await self._mind.consider(reply.said, self.config, asked_for=reply.message, engaged=engaged)
        except StageError as failure:  # it is answered as an ordinary turn
            await self._outbox.put(ev.Failed(self.now_s, failure.stage, failure.message))

    async def _take_the_floor(self, reply: Reply) -> bool:
        """Wait for the end of the turn and (to answer it) for the floor; False if a later turn got there first: its reply
        answers both."""
        await reply.gate.wait()
        await self._put_on_record(reply)
        while reply.wants_floor and (other := self._speaking) and other is not reply and not reply.over.is_set():
            if self.config.interruption:
                await self._interrupt(other)
            else:
                await other.over.wait()
        return not reply.over.is_set()

    async def _apologise(self, reply: Reply, failure: StageError) -> ev.Ending:
        """Says in words that this reply failed, where there still is a voice."""
        has_floor = await self._take_the_floor(reply)
        await self._outbox.put(ev.Failed(self.now_s, failure.stage, failure.message))
        if has_floor and reply.wants_floor and (words := self._mind.manners.apology(failure.stage, reply.said)):
            await self._deliver(reply, _words(words))
        return "failed"

    async def _deliver(self, reply: Reply, thoughts: AsyncGenerator[str | ToolCall]) -> ev.Ending:
        """Speak (or write) what is thought, ahead as far as small buffers reach, and play it once the gate is open."""
        assert reply.request
        say = spoken if reply.request.speaks else written
        async with say(thoughts, self._engines, reply.clauses, lambda name: reply.mark(name, self.now_s)) as sound:
            failure = await self._play(reply, sound)
        return await self._apologise(reply, failure) if failure else "finished"

    async def _play(self, reply: Reply, sound: MemoryObjectReceiveStream[Sound]) -> StageError | None:
        """Behind the gate."""
        if not await self._take_the_floor(reply):
            return None
        pace = self.config.lead_s, lambda: self.config.effects
        return await play(reply, sound, self.conversation, self._outbox, self._clock, *pace)

    async def _put_on_record(self, reply: Reply) -> None:
        """The turn is over, and its words (if any were understood) are part of the conversation."""
        if reply.message is None:
            text = reply.said.text if reply.said else ""
            reply.message = self.conversation.user_said(text, reply.onset_s, reply.said_id, bool(reply.voiced_s))
            spoken_s = reply.onset_s, reply.speech_end_s
            await self._outbox.put(
                ev.TurnEnded(self.now_s, reply.turn, *spoken_s, text, reply.p_end, reply.audio_end_s, reply.said_id)
            )
            await self._tell_thought(reply)
            await self._announce(reply)
            if reply.over.is_set() and "due" in reply.marks:  # the next turn was quicker than the transcript of this one
                await self._outbox.put(ev.ReplyEnded(self.now_s, reply.turn, "dropped", ""))

    async def _tell_thought(self, reply: Reply) -> None:
        assert reply.message
        if reply.thought and (judged := self._mind.decided(reply.thought, self.now_s, reply.turn, reply.message.id)):
            await self._outbox.put(judged)
            self._tasks.start_soon(self._initiative.react, reply)

    async def _announce(self, reply: Reply) -> None:
        if reply.answers and reply.request:
            reply.mark("due", self.now_s)
            await self._outbox.put(ev.ReplyDue(self.now_s, reply.turn, reply.id, reply.request.speaks))
            if reply.sources:
                await self._outbox.put(ev.Sources(self.now_s, reply.turn, reply.sources))

    # ── opinions on whether the turn is over ──────────────────────────────────────────────────────────────────────────

    async def _judge(self, reply: Reply, said: Transcript) -> None:
        """The words' opinion first, because it decides most cases; the sound's where it still can change the answer. A
        missing opinion is told of, and only makes the turn's end come later."""
        p: float | None = None
        try:
            p = await self._engines.words_complete(said)
            reply.mark("opinions", self.now_s)
        except StageError as failure:
            self._outbox.note(ev.Failed(self.now_s, failure.stage, failure.message))
        for event in self._turns.opine(reply.revision, words=p):
            await self._on(event)
        try:
            if self._turns.revision == reply.revision and self._turns.undecided:
                p = await self._engines.sound_complete(reply.sound)
                for event in self._turns.opine(reply.revision, audio=p):
                    await self._on(event)
        except StageError as failure:
            self._outbox.note(ev.Failed(self.now_s, failure.stage, failure.message))


async def _words(text: str) -> AsyncGenerator[str | ToolCall]:
    yield text
