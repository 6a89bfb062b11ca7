"""The demo's panel: the console of a deployed stack with a bar of four buttons on each page.

``serving`` opens it over any ``Venue``. Read in this order: ``ways`` (the public ways in that
buttons use), ``drop_file``, ``checkout``, ``lapse`` and ``mail_fails`` (one button each), ``press``
(starts them), ``news`` (what they tell), ``proxy`` (the console, passed on), ``site`` (what is
answered to each request), ``gate`` (to whom), ``server`` (HTTP). It never ships.
"""

from ops.panel.serving import Panel as Panel
from ops.panel.serving import serving as serving
