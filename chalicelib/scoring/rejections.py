"""Why a packaged model was refused: one class for each cause, so that an alarm can name it.

::

    ArtifactRejected            (Broken: alarm, no retry; the rule scorecard serves meanwhile)
    ├── FileMissing             a file of the artefact is not there or cannot be read
    ├── ManifestUnusable        manifest.json is not what this version of Segue writes
    ├── HashMismatch            a file is not the one that the manifest was written for
    ├── NotJson                 model.json is not JSON
    ├── SchemaVersionUnknown    model.json was written for another version of Segue
    ├── SchemaViolated          a field is missing, unknown, of the wrong type or out of range
    ├── FeatureOrderChanged     the model was trained on other features, or in another order
    ├── SelfTestFailed          the engine does not give the answers that training gave
    ├── NotPortable             the model was packaged for the joblib engine only
    ├── LibraryMismatch         a library is not the version that the pipeline was trained with
    └── EngineUnknown           the setting names no engine
"""

from __future__ import annotations

from chalicelib.core.errors import Broken


class ArtifactRejected(Broken):
    """A packaged model cannot be trusted; the message says which file, why and what to do."""


class FileMissing(ArtifactRejected):
    """A file of the artefact is not there or cannot be read."""


class ManifestUnusable(ArtifactRejected):
    """manifest.json is not what this version of Segue writes."""


class HashMismatch(ArtifactRejected):
    """A file is not the one that the manifest was written for."""


class NotJson(ArtifactRejected):
    """model.json is not JSON."""


class SchemaVersionUnknown(ArtifactRejected):
    """model.json was written for another version of Segue."""


class SchemaViolated(ArtifactRejected):
    """A field is missing, unknown, of the wrong type or out of range."""


class FeatureOrderChanged(ArtifactRejected):
    """The model was trained on other features than ``describe`` gives, or in another order."""


class SelfTestFailed(ArtifactRejected):
    """The engine does not give the answers that training gave."""


class NotPortable(ArtifactRejected):
    """The model was packaged for the joblib engine only."""


class LibraryMismatch(ArtifactRejected):
    """A library is not the version that the pipeline was trained with."""


class EngineUnknown(ArtifactRejected):
    """The setting names no engine."""
