"""``report.html``: what a person would look at before trusting the model; one file, no network."""

from __future__ import annotations

from html import escape
from io import StringIO

import matplotlib as mpl
from matplotlib.figure import Figure

from chalicelib.scoring.document import ModelDocument
from ops.training.model import TrainedModel
from ops.training.plots import plot_calibration, plot_profiles, plot_sizes, plot_stability

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #22303c; background: #fff; max-width: 60rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .2rem; }
p, figcaption { color: #52606d; margin: .2rem 0 .6rem; max-width: 44rem; }
figure { margin: 0; } svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid #e4e7eb;
         vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; }
code { font-size: .9em; }
"""


def render_report(model: TrainedModel, document: ModelDocument) -> str:
    """The page; equal models give equal bytes."""
    figures = (
        (
            "Segment sizes",
            "Customers in each segment. The number is at the data's end; a segment may be empty"
            " there and still be real, as new customers are once a shop stops taking them.",
            plot_sizes(document),
        ),
        (
            "Segment profiles",
            "Colour: how far the centroid lies from the average customer, on the log scale that"
            " the model sees. Number: the segment's median, in the feature's own unit.",
            plot_profiles(model, document),
        ),
        (
            "Stability over k",
            "Adjusted Rand index between the partition and those of resampled customers. A number"
            " of segments is eligible when nearly all of its bootstraps lie above the dotted line.",
            plot_stability(model),
        ),
        (
            "Calibration",
            "Customers sorted by predicted probability, in tenths, on time that the model had not"
            " seen; bars are 95 % intervals.",
            plot_calibration(model),
        ),
    )
    parts = "".join(_figure(*figure) for figure in figures)
    data = document.data
    window = f"{data.first_order_at[:10]} to {data.last_order_at[:10]}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(document.id)}: report</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>
<h1>{escape(document.id)}</h1>
<p>{data.orders:,} orders of {data.customers:,} customers, {window}:
{escape(data.source)}.</p>
{_segment_table(document)}
{parts}
<h2>Figures</h2>
{_metric_table(document)}
</body></html>
"""


def _segment_table(document: ModelDocument) -> str:
    rows = "".join(
        f"<tr><td><code>{segment.name}</code></td><td>{escape(segment.description)}</td>"
        f'<td class="number">{segment.customers:,}</td>'
        f'<td class="number">{_percent(segment.repurchase_rate)}</td></tr>'
        for segment in document.segments
    )
    return (
        '<table><tr><th>segment</th><th>who they are</th><th class="number">customers</th>'
        f'<th class="number">buy again in {document.horizon_days} days</th></tr>{rows}</table>'
    )


def _metric_table(document: ModelDocument) -> str:
    rows = "".join(
        f'<tr><td>{escape(name.replace("_", " "))}</td><td class="number">{value:g}</td></tr>'
        for name, value in document.metrics.items()
    )
    return f"<table>{rows}</table>"


def _figure(title: str, caption: str, figure: Figure) -> str:
    return (
        f"<h2>{escape(title)}</h2><figure><figcaption>{escape(caption)}</figcaption>"
        f"{_svg(figure, title)}</figure>"
    )


def _svg(figure: Figure, title: str) -> str:
    """Inline SVG; ids come from the title, so that figures on one page do not share them."""
    drawn = StringIO()
    with mpl.rc_context({"svg.hashsalt": title, "svg.fonttype": "path"}):
        figure.savefig(
            drawn, format="svg", metadata={"Date": None, "Creator": None, "Title": title}
        )
    text = drawn.getvalue()
    return text[text.index("<svg") :].replace(
        "<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
