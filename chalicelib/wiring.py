"""The composition root: which adapter stands behind which port.

It is the only place that reads the environment and passes clock and ids on. Nothing happens at
import. The parts of a process are made on first use and kept; a test installs parts of its own.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypedDict

from chalicelib import telemetry
from chalicelib.adapters import Adapters, aws_adapters
from chalicelib.api.edge import Access, Edge
from chalicelib.aws.clients import Clients
from chalicelib.challenging import load_challengers
from chalicelib.clock import SortableIds, now, now_ms
from chalicelib.core.challengers import Challengers
from chalicelib.core.errors import Broken
from chalicelib.core.freshness import expected_hours
from chalicelib.core.policy import Policy
from chalicelib.core.rules import Rules
from chalicelib.core.scorecard import Scorecard
from chalicelib.core.scores import Scorer
from chalicelib.core.tokens import SigningKeys
from chalicelib.documents import Documents
from chalicelib.flows.authorize import RememberedKeys
from chalicelib.flows.learned import RememberedLearning
from chalicelib.flows.rulebook import Rulebook
from chalicelib.flows.steady_store import SteadyStore, Timing
from chalicelib.late import late
from chalicelib.scoring.guarded import GuardedScorer
from chalicelib.scoring.load import load_scorer
from chalicelib.scoring.rejections import ArtifactRejected
from chalicelib.settings import Settings, read_settings
from chalicelib.version import __version__

if TYPE_CHECKING:
    from chalicelib.core import pace
    from chalicelib.core.baselines import Baselines
    from chalicelib.core.ports import Queue, Store
    from chalicelib.flows import (
        act,
        big_begin,
        big_sizes,
        chronicle,
        drop,
        drop_work,
        events,
        feedback,
        night,
        settled,
        simulation,
        sweep,
    )
    from chalicelib.mail import compose
    from chalicelib.scoring import baselines
else:  # each is needed by some functions and by no checkout
    act, big_begin, big_sizes, chronicle, drop, drop_work = late(
        "chalicelib.flows", "act", "big_begin", "big_sizes", "chronicle", "drop", "drop_work"
    )
    events, feedback, night, settled, sweep = late(
        "chalicelib.flows", "events", "feedback", "night", "settled", "sweep"
    )
    (simulation,) = late("chalicelib.flows", "simulation")
    (baselines,) = late("chalicelib.scoring", "baselines")
    (pace,) = late("chalicelib.core", "pace")
    (compose,) = late("chalicelib.mail", "compose")

# Ids of this process, which sort by time.
new_id = SortableIds()
REAL_TIMING = Timing(time.monotonic, time.sleep, random.random)


def new_secret() -> str:
    """A key that nobody can guess: 128 random bits, in hex."""
    return os.urandom(16).hex()


class RelayParts(TypedDict):
    """Arguments of ``relay.from_stream``."""

    queue: Queue
    store: Store


class DropParts(TypedDict):
    """Arguments of ``drop.from_messages``."""

    ports: drop_work.DropPorts
    rules: Rules
    keys: SigningKeys


class ReviewParts(TypedDict):
    """Arguments of ``silence.review_due``."""

    ports: settled.EventPorts
    rules: Rules
    keys: SigningKeys


@dataclass(frozen=True)
class Parts:
    """The parts of one process, each made on first use."""

    settings: Settings
    adapters: Adapters
    documents: Documents = field(default_factory=Documents)
    clock: Callable[[], int] = now
    clock_ms: Callable[[], int] | None = None
    pause: Callable[[float], None] = time.sleep
    timing: Timing = REAL_TIMING
    make_id: Callable[[], str] = new_id

    @cached_property
    def rules(self) -> Rules:
        """Policy, law and model; the rule scorecard where the packaged model was refused."""
        policy = self.documents.policy(self.settings.policy)
        scorecard, model = Scorecard(policy), self._model[0]
        scorer: Scorer = scorecard
        if model is not None:
            scorer = GuardedScorer(model, scorecard, report=self._model_failed)
        return Rules(
            policy,
            self.documents.jurisdictions,
            self.documents.jurisdictions_hash,
            scorer,
            challengers=self._challengers(policy),
        )

    @cached_property
    def rulebook(self) -> Rulebook:
        """The packaged rules, and those of every policy that was activated since."""
        packaged = self.rules

        def rules_for(policy: Policy) -> Rules:
            rules = replace(packaged, policy=policy, challengers=self._challengers(policy))
            match packaged.scorer:
                case Scorecard():
                    return replace(rules, scorer=Scorecard(policy))
                case GuardedScorer() as guarded:
                    return replace(rules, scorer=guarded.with_rules(Scorecard(policy)))
                case _:
                    return rules

        return Rulebook(packaged, rules_for)

    def _rules_now(self) -> Rules:
        """The rules that decide now, for work that begins."""
        moment = self.clock()
        spread = str(moment)
        return self.rulebook.refresh(store=self.adapters.store, now=moment, spread=spread)

    @property
    def rejected(self) -> str | None:
        """Why the packaged model does not serve; None when it does."""
        return self._model[1]

    @cached_property
    def edge(self) -> Edge:
        """What the API works with."""
        adapters = self.adapters
        return Edge(
            now=self.clock,
            new_id=self.make_id,
            new_secret=new_secret,
            pause=self.pause,
            hurried=adapters.hurried,
            key_store=adapters.key_store,
            patient=self._patient,
            rulebook=lambda: self.rulebook,
            remembered_keys=RememberedKeys(),
            learned=RememberedLearning(),
            fold_events=self._fold_events,
            engine=self.settings.scorer,
            rejected=lambda: self.rejected,
            version=__version__,
            python=".".join(map(str, sys.version_info[:3])),
            public_url=self.settings.public_url,
            results=adapters.results,
            model_directory=lambda: self.documents.model(self.settings.model),
            fresh_within_hours=expected_hours(self.settings.fresh_within_hours),
            drops_queue=adapters.drops_queue,
        )

    def act_ports(self) -> act.ActPorts:
        """What performing effects needs."""
        settings, adapters, policy = self.settings, self.adapters, self._rules_now().policy
        return act.ActPorts(
            store=adapters.store,
            bus=adapters.bus,
            mailer=adapters.mailer,
            later=adapters.later,
            keys=adapters.signing_keys(self.clock()),
            mail=compose.MailSettings(
                sender=settings.sender,
                postal_address=settings.postal_address,
                public_url=settings.public_url,
                currency=policy.default_currency,
                shop_url=settings.shop_url,
                jurisdictions=self.rules.jurisdictions,
            ),
            contact_policy=policy.contact_policy,
            limits=pace.Limits(settings.mails_per_second, settings.mails_per_day),
            clock_ms=self.clock_ms or (lambda: self.clock() * 1_000),
        )

    def feedback_ports(self) -> feedback.FeedbackPorts:
        """What taking in mail events needs."""
        return feedback.FeedbackPorts(
            store=self.adapters.store,
            keys=self.adapters.signing_keys(self.clock()),
            topic=self.settings.mail_events_topic,
            again=self.adapters.again,
        )

    def relay_parts(self) -> RelayParts:
        """What relaying the effects table's stream needs."""
        return {"queue": self.adapters.effects_queue, "store": self.adapters.store}

    def chronicle_ports(self) -> chronicle.ChroniclePorts:
        """What writing the decision log needs."""
        adapters = self.adapters
        return chronicle.ChroniclePorts(
            store=adapters.store,
            objects=adapters.objects,
            bucket=self.settings.results_bucket,
            secret=adapters.signing_keys(self.clock()).address_secret,
            currency=self.rules.scorer.currency,
        )

    def night_parts(self) -> tuple[night.NightPorts, Policy]:
        """What a night's measuring needs, and the policy that decides."""
        rules = self._rules_now()
        ports = night.NightPorts(
            store=self.adapters.store,
            objects=self.adapters.objects,
            bucket=self.settings.results_bucket,
            baselines=self._baselines,
            address_secret=lambda: self.adapters.signing_keys(self.clock()).address_secret,
            fresh_within_hours=expected_hours(self.settings.fresh_within_hours),
            segments=_segments(rules),
        )
        return ports, rules.policy

    def simulation_ports(self) -> simulation.SimulationPorts:
        """What simulating a policy needs; raises Broken where nobody said which queue it is."""
        adapters = self.adapters
        if adapters.drops_queue is None:
            raise Broken("settings: SEGUE_DROPS_QUEUE_URL: is missing, and simulations wait there")
        return simulation.SimulationPorts(
            store=adapters.store,
            objects=adapters.objects,
            bucket=self.settings.results_bucket,
            queue=adapters.drops_queue,
            rulebook=self.rulebook,
            clock=self.timing.clock,
        )

    def _baselines(self) -> Baselines | None:
        """Those of the packaged model; None where it was refused, which was said when it was."""
        if self.rejected is not None:
            return None
        return baselines.read_baselines(self.documents.model(self.settings.model))

    def drop_parts(self) -> DropParts:
        """What taking in files needs."""
        return self._drop_parts(self.settings.drop_writes_per_second)

    def big_parts(self) -> DropParts:
        """What working on one part of a file needs: all that work at once share one rate."""
        settings = self.settings
        return self._drop_parts(settings.drop_writes_per_second / max(settings.parts_at_once, 1))

    def _drop_parts(self, rate: float) -> DropParts:
        adapters, timing = self.adapters, self.timing
        return {
            "ports": drop_work.DropPorts(
                store=SteadyStore(adapters.store, items_per_second=rate, timing=timing),
                objects=adapters.objects,
                results_bucket=self.settings.results_bucket,
                mapping=self.documents.mapping,
                limits=drop_work.DropLimits(memory_mb=self.settings.drop_memory_mb),
                division=self._division,
                sizes=big_sizes.Sizes(self.settings.divide_above_bytes, items_per_second=rate),
                back_off=timing.back_off,
            ),
            "rules": self._rules_now(),
            "keys": adapters.signing_keys(self.clock()),
        }

    @property
    def _division(self) -> big_begin.Division | None:
        """What divides big files; None where the stage divides none."""
        machine, settings = self.adapters.divided_drops, self.settings
        if machine is None or not settings.parts_at_once:
            return None
        return big_begin.Division(machine, settings.divide_above_bytes)

    def review_parts(self) -> ReviewParts:
        """What looking after silence needs."""
        return {
            "ports": settled.EventPorts(self.adapters.store),
            "rules": self._rules_now(),
            "keys": self.adapters.signing_keys(self.clock()),
        }

    def sweep_ports(self) -> sweep.SweepPorts:
        """What putting back on its way what stands still needs."""
        adapters, settings = self.adapters, self.settings
        return sweep.SweepPorts(adapters.store, adapters.effects_queue, settings.mails_per_second)

    @cached_property
    def _model(self) -> tuple[Scorer | None, str | None]:
        """The packaged model, or the name of the reason why it was refused."""
        settings = self.settings
        try:
            return load_scorer(settings.scorer, self.documents.model(settings.model)), None
        except ArtifactRejected as rejection:
            reason = type(rejection).__name__
            telemetry.emit_metrics(
                "model_rejected",
                {"ModelRejected": 1},
                model=settings.model,
                engine=settings.scorer,
                error=reason,
                reason=str(rejection),
            )
            return None, reason

    def _challengers(self, policy: Policy) -> Challengers:
        """What arms of experiments name; what cannot be used is said, and the champion decides."""
        found, refusals = load_challengers(
            policy, documents=self.documents, engine=self.settings.scorer
        )
        for each in refusals:
            is_policy = each.kind == "policy"
            telemetry.emit_metrics(
                f"{each.kind}_rejected",
                {"PolicyRejected" if is_policy else "ModelRejected": 1},
                policy=each.name if is_policy else None,
                model=None if is_policy else each.name,
                error=each.error,
                reason=each.reason,
            )
        rules = Scorecard(policy)
        guarded = {
            name: GuardedScorer(model, rules, report=partial(self._model_failed, model=name))
            for name, model in found.scorers.items()
        }
        return replace(found, scorers=guarded)

    def _model_failed(self, reason: str, *, model: str | None = None) -> None:
        """The model was loaded and could not score somebody; the rules of the policy did."""
        named = model or self.settings.model
        telemetry.emit_metrics("model_failed", {"ModelRejected": 1}, model=named, error=reason)

    def _patient(self) -> Access:
        moment = self.clock()
        return Access(self.adapters.store, partial(self.adapters.signing_keys, moment))

    def _fold_events(self, body: Any, *, now: int, correlation_id: str) -> Mapping[str, Any]:
        fold = partial(
            events.from_request,
            body,
            ports=settled.EventPorts(self.adapters.store),
            keys=self.adapters.signing_keys(now),
            now=now,
            correlation_id=correlation_id,
        )
        return self.rulebook.apply(
            lambda rules: fold(rules=rules), store=self.adapters.store, now=now
        )


def _segments(rules: Rules) -> tuple[str, ...]:
    """What a profile may be called: by the model, by the rules in its place, by an arm's model."""
    policies = (rules.policy, *rules.challengers.policies.values())
    scorers = (rules.scorer, *rules.challengers.scorers.values(), *map(Scorecard, policies))
    return tuple(dict.fromkeys(name for each in scorers for name in each.segments))


_installed: list[Parts] = []
_making = threading.Lock()


def parts() -> Parts:
    """The parts of this process; raises Broken naming every setting that is missing or wrong."""
    if not _installed:
        with _making:
            if not _installed:
                settings = read_settings(os.environ)
                install(Parts(settings, aws_adapters(settings, Clients()), clock_ms=now_ms))
    return _installed[-1]


def install(chosen: Parts | None) -> None:
    """Give this process other parts, or with None let it read its environment again."""
    _installed.clear()
    if chosen is not None:
        telemetry.configure(stage=chosen.settings.stage)
        _installed.append(chosen)


def edge() -> Edge:
    """What the API works with."""
    return parts().edge


def act_ports() -> act.ActPorts:
    """What performing effects needs."""
    return parts().act_ports()


def feedback_ports() -> feedback.FeedbackPorts:
    """What taking in mail events needs."""
    return parts().feedback_ports()


def relay_parts() -> RelayParts:
    """What relaying the effects table's stream needs."""
    return parts().relay_parts()


def drop_parts() -> DropParts:
    """What taking in files needs."""
    return parts().drop_parts()


def big_parts() -> DropParts:
    """What working on one part of a file needs."""
    return parts().big_parts()


def take_files(event: Mapping[str, Any], *, now: int) -> dict[str, list[dict[str, str]]]:
    """Take in the files that an event of the drops queue names."""
    return drop.from_messages(event, **drop_parts(), now=now)


def night_parts() -> tuple[night.NightPorts, Policy]:
    """What a night's measuring needs, and the policy that decides."""
    return parts().night_parts()


def simulation_ports() -> simulation.SimulationPorts:
    """What simulating a policy needs."""
    return parts().simulation_ports()


def chronicle_ports() -> chronicle.ChroniclePorts:
    """What writing the decision log needs."""
    return parts().chronicle_ports()


def review_parts() -> ReviewParts:
    """What looking after silence needs."""
    return parts().review_parts()


def sweep_ports() -> sweep.SweepPorts:
    """What putting back on its way what stands still needs."""
    return parts().sweep_ports()
