/** The section of the timeline, and the script that draws it. */
import { timelineCanvas } from "./browser/canvas.ts";
import { timelineModel } from "./browser/model.ts";
import { operationList } from "./browser/operation-list.ts";
import { type Parts, start } from "./browser/start.ts";
import { embedded, Html, html } from "./html.ts";
import type { TimelineData } from "./timeline-data.ts";

export function timelineSection(data: TimelineData): Html {
  if (data.operations.wait.length === 0)
    return html`<section id="timeline"><h2>Timeline</h2><p>No operation was recorded.</p></section>`;
  return html`<section id="timeline"><h2>Timeline</h2>
<p class="legend">
<span><span class="swatch" style="background:var(--ok)"></span>ok: it took effect</span>
<span><span class="swatch low" style="background:var(--fail)"></span>fail: it did not and never will</span>
<span><span class="swatch hollow" style="border-color:var(--info)"></span>info: nobody knows</span>
${data.witness.length > 0 ? html`<span><span class="swatch hollow" style="border-color:var(--witness)"></span>proves the violation</span>` : undefined}
${data.reigns.length > 0 ? html`<span><span class="swatch" style="background:var(--leader)"></span>led, with its term</span>` : undefined}
${data.faults.map((fault, i) => html`<span><span class="swatch" style="background:var(--fault${i})"></span>${fault}</span>`)}
</p>
<div class="controls">
<label>Lanes <select id="lanes-by"><option value="client">by client</option><option value="node">by node</option></select></label>
<label>Function <select id="filter-f"><option value="-1">any</option>${data.functions.map((f, i) => html`<option value="${i}">${f}</option>`)}</select></label>
<label>Outcome <select id="filter-type"><option value="-1">any</option><option value="0">ok</option><option value="1">fail</option><option value="2">info</option></select></label>
<label>Node <select id="filter-node"><option value="-1">any</option>${data.nodes.map((node, i) => html`<option value="${i}">${node}</option>`)}</select></label>
<label>Process <input id="filter-process" size="5" inputmode="numeric" autocomplete="off"></label>
<label>Key <input id="filter-key" size="8" autocomplete="off"></label>
<label>Search <input id="filter-text" type="search" size="14" placeholder="value, result, error" autocomplete="off"></label>
<span id="matches" role="status"></span>
</div>
<div class="controls">
<button type="button" data-action="all">Whole run</button>
<button type="button" data-action="in">Zoom in</button>
<button type="button" data-action="out">Zoom out</button>
<button type="button" data-action="previous">Previous</button>
<button type="button" data-action="next">Next</button>
${data.witness.length > 0 ? html`<button type="button" class="strong" data-action="violation">Jump to the violation</button>` : undefined}
</div>
<div id="timeline-frame" tabindex="0" role="group" aria-label="Timeline of operations. Arrow keys move, plus and minus zoom, n and p go to the next and previous operation, v to the violation."><canvas id="timeline-canvas"></canvas><div id="timeline-spacer"></div></div>
<canvas id="timeline-overview" aria-hidden="true"></canvas>
<p class="muted no-print">Drag to move, Ctrl and wheel or double click to zoom; with the timeline in focus: arrows, +, −, 0, n, p${data.witness.length > 0 ? ", v" : ""}.</p>
<dl id="details" class="facts" aria-live="polite"><div class="muted no-print">Choose an operation above or below to see all of it here.</div></dl>
<h3>Operations</h3>
<div id="operations" tabindex="0" role="listbox" aria-label="Operations that match"></div>
<div id="tooltip" role="tooltip" hidden></div>
${embedded("timeline-data", data)}
</section>`;
}

/** Makes a record of parts only if all are there, so that none is forgotten in the script. */
const parts: Parts = { timelineModel, timelineCanvas, operationList };

/** The page's one script: functions of `browser/`, each by its own source text. */
export function script(): Html {
  const sources = Object.entries(parts).map(([name, part]) => `${name}: ${String(part)}`);
  return new Html(`(${String(start)})(window, {${sources.join(",\n")}});`);
}
