/** The report's style sheet. Everything coloured goes through variables: light, dark and print differ in them only. */

export interface FaultColour {
  readonly fault: string;
  /** As `#rrggbb`, as the fault itself gives it. */
  readonly colour: string;
}

const FALLBACK = "#7f8c8d";

/** A colour is written into the style sheet, so that nothing but a colour gets through. */
export function safeColour(colour: unknown): string {
  return typeof colour === "string" && /^#[0-9a-f]{6}$/i.test(colour) ? colour.toLowerCase() : FALLBACK;
}

/** Mixes in `share` of white: fault colours are chosen for a light page and would vanish on a dark one. */
export function lightened(colour: string, share: number): string {
  const channel = (at: number): string => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16);
    return Math.round(value + (255 - value) * share)
      .toString(16)
      .padStart(2, "0");
  };
  return `#${channel(1)}${channel(3)}${channel(5)}`;
}

export function styleSheet(faults: readonly FaultColour[]): string {
  const light = faults.map(({ colour }, i) => `--fault${i}:${safeColour(colour)};`).join("");
  const dark = faults.map(({ colour }, i) => `--fault${i}:${lightened(safeColour(colour), 0.45)};`).join("");
  return `
:root{color-scheme:light dark;${LIGHT}${light}}
@media (prefers-color-scheme:dark){:root{${DARK}${dark}}}
@media print{:root{color-scheme:light;${LIGHT}${light}}}
${RULES}`;
}

const LIGHT = `--page:#f6f7f9;--panel:#fff;--ink:#1c2430;--muted:#566172;--line:#d5dae1;--link:#0b5cad;--focus:#0b5cad;
--valid:#1a7f4b;--valid-soft:#e4f4ea;--invalid:#b3261e;--invalid-soft:#fbe9e7;--unknown:#8a5a00;--unknown-soft:#fdf1d8;
--ok:#3a78b8;--fail:#a8437e;--info:#c9780c;--witness:#d3180c;--leader:#4b6b54;--on-leader:#fff;
--q0:#2f6f9f;--q1:#2a9d6f;--q2:#c9780c;--q3:#a8323a;
--node0:#3a78b8;--node1:#c9780c;--node2:#2a8f63;--node3:#a8437e;--node4:#7a5fc0;--node5:#8a6d2f;--node6:#1d8a99;--node7:#b3402a;--node8:#566172;`;

const DARK = `--page:#12161c;--panel:#1a2029;--ink:#e6eaf0;--muted:#a3aebd;--line:#364050;--link:#7db8f5;--focus:#7db8f5;
--valid:#63cf94;--valid-soft:#16301f;--invalid:#ff8a80;--invalid-soft:#3a1a1a;--unknown:#f2bd5c;--unknown-soft:#33270f;
--ok:#6aa9e9;--fail:#e07fb8;--info:#f0a742;--witness:#ff5a4d;--leader:#7fb38c;--on-leader:#10151b;
--q0:#6db3e4;--q1:#5fd0a2;--q2:#f0a742;--q3:#f08080;
--node0:#6aa9e9;--node1:#f0a742;--node2:#5fd0a2;--node3:#e07fb8;--node4:#b39df0;--node5:#d6b878;--node6:#5cc9d8;--node7:#f08f78;--node8:#a3aebd;`;

const RULES = `
*{box-sizing:border-box}
html{scroll-padding-top:3rem}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main,nav>div{max-width:1120px;margin:0 auto;padding:0 1rem}
nav{position:sticky;top:0;z-index:3;background:var(--page);border-bottom:1px solid var(--line)}
nav>div{display:flex;gap:1rem;overflow-x:auto;padding-block:.55rem;font-size:.9rem;white-space:nowrap}
nav b{margin-right:.5rem}
a{color:var(--link);text-decoration-thickness:1px;text-underline-offset:2px}
h1{font-size:1.45rem;line-height:1.3;margin:.2rem 0 .4rem}
h2{font-size:1.15rem;margin:0 0 .6rem}
h3{font-size:1rem;margin:1.1rem 0 .2rem}
p{margin:.3rem 0}
section,header{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:1rem 1.2rem;margin:1rem 0}
header{border-left:6px solid var(--muted)}
header.valid{border-left-color:var(--valid);background:var(--valid-soft)}
header.invalid{border-left-color:var(--invalid);background:var(--invalid-soft)}
header.unknown{border-left-color:var(--unknown);background:var(--unknown-soft)}
.badge{display:inline-block;font-weight:700;letter-spacing:.04em;font-size:.8rem;padding:.1rem .5rem;border-radius:4px;border:1.5px solid currentColor}
.valid .badge,.badge.valid{color:var(--valid)}.invalid .badge,.badge.invalid{color:var(--invalid)}.unknown .badge,.badge.unknown{color:var(--unknown)}
.muted{color:var(--muted)}
code,pre,.mono{font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
code{overflow-wrap:anywhere}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.4rem 0;max-height:32rem;overflow:auto}
.repeat{display:flex;gap:.6rem;align-items:flex-start;margin-top:.7rem;background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.45rem .6rem}
.repeat code{flex:1}
button,select,input{font:inherit;font-size:.88rem;color:var(--ink);background:var(--panel);border:1px solid var(--line);border-radius:5px;padding:.2rem .55rem;min-height:1.9rem}
button{cursor:pointer}
button:hover{border-color:var(--focus)}
button.plain{border:0;background:none;padding:0;min-height:0;color:var(--link);text-decoration:underline;text-align:left}
:focus-visible{outline:2px solid var(--focus);outline-offset:2px}
dl.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.4rem 1rem;margin:.8rem 0 0}
dl.facts dt{color:var(--muted);font-size:.82rem}
dl.facts dd{margin:0;font-weight:600}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--muted);font-size:.82rem}
td.num,th.num{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td.value{overflow-wrap:anywhere;max-width:24rem}
.swatch{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.35em;vertical-align:-.05em}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.85rem;color:var(--muted);margin:.3rem 0}
figure{margin:1.1rem 0 0}
figure>svg,.diagram svg{display:block;height:auto}
figcaption{font-size:.88rem;color:var(--muted)}
figcaption b{color:var(--ink)}
details>summary{cursor:pointer}
details[open]>summary{margin-bottom:.4rem}
.diagram{overflow-x:auto}
figure>svg{max-width:100%}
.diagram svg{max-width:none;font:11px system-ui,sans-serif}
.diagram text{fill:var(--muted)}.diagram .name{text-anchor:end;fill:var(--ink);font-weight:600;font-size:13px}.diagram .time{text-anchor:middle}
.diagram .tick{stroke:var(--line)}.diagram .life{stroke:var(--muted);stroke-width:1.2}.diagram .moment{stroke:var(--witness);stroke-dasharray:3 4}
.diagram .leads{stroke:var(--leader);stroke-width:6}.diagram .term{fill:var(--leader);font-weight:600}
.diagram .dead{fill:var(--panel);stroke:var(--invalid);stroke-dasharray:3 2}.diagram .frozen{fill:var(--line);stroke:var(--muted)}
.diagram .band rect{opacity:.13}
.diagram .event text{text-anchor:middle;fill:var(--ink);font-size:14px}
.diagram .proof rect{fill:var(--panel);stroke:var(--witness);stroke-width:2}.diagram .proof text{fill:var(--witness);font-weight:600}
.message path{fill:none;stroke:var(--muted);stroke-width:1.1;opacity:.75}
.message.append path{stroke:var(--ok)}.message.vote path{stroke:var(--info);stroke-width:1.8;opacity:1}.message.client path{stroke:var(--node2)}
.message.lost path{stroke:var(--invalid);stroke-dasharray:4 2}
.message.held path{opacity:.6}
.message path.reach{stroke:transparent;stroke-width:8;opacity:1}
.message:hover path:not(.reach){stroke-width:3;opacity:1}
.key::before{content:"";display:inline-block;width:1.4em;border-top:3px solid var(--muted);margin-right:.4em;vertical-align:.25em}
.key.vote::before{border-color:var(--info)}.key.append::before{border-color:var(--ok)}.key.client::before{border-color:var(--node2)}.key.lost::before{border-top:3px dashed var(--invalid)}
.tabs{display:flex;flex-wrap:wrap;gap:.4rem;margin:.5rem 0}
.tabs button[aria-selected=true]{border-color:var(--focus);box-shadow:inset 0 -2px var(--focus)}
button.strong{border-color:var(--invalid);color:var(--invalid);font-weight:600}
.swatch.low{height:.35em;vertical-align:.1em}.swatch.hollow{border:2px solid;background:none}
.controls{display:flex;flex-wrap:wrap;gap:.4rem .8rem;align-items:center;margin:.5rem 0;font-size:.88rem}
.controls label{display:inline-flex;gap:.35rem;align-items:center;color:var(--muted)}
#matches{color:var(--muted)}
#timeline-frame{height:min(30rem,70vh);overflow-y:auto;overflow-x:hidden;border:1px solid var(--line);border-radius:6px 6px 0 0;display:grid}
#timeline-frame>*{grid-area:1/1}
#timeline-canvas{position:sticky;top:0;align-self:start;cursor:crosshair;touch-action:pan-y}
#timeline-spacer{width:1px;pointer-events:none}
#timeline-overview{display:block;width:100%;height:44px;border:1px solid var(--line);border-top:0;border-radius:0 0 6px 6px;cursor:pointer;touch-action:none}
#details{min-height:3.4rem;border-left:3px solid var(--line);padding-left:.8rem}
#details dd{font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-weight:600;overflow-wrap:anywhere}
#details .wide{grid-column:1/-1}
#operations{position:relative;height:15rem;overflow:auto;border:1px solid var(--line);border-radius:6px}
.line{position:absolute;left:0;top:0;width:100%;height:24px;line-height:24px;padding:0 .5rem;border-left:4px solid transparent;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;cursor:pointer;font:12.5px/24px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.line[hidden]{display:none}
.line.ok{border-left-color:var(--ok)}.line.fail{border-left-color:var(--fail)}.line.info{border-left-color:var(--info)}
.line[aria-selected=true]{background:var(--focus);color:var(--panel)}
#tooltip{position:fixed;z-index:5;max-width:26rem;background:var(--ink);color:var(--page);padding:.25rem .5rem;border-radius:4px;font:12.5px/1.4 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere;pointer-events:none}
footer{color:var(--muted);font-size:.85rem;margin:1rem 0 2rem}
.visually-hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
@media print{nav,button,.controls,.no-print{display:none!important}body{background:#fff;font-size:11pt}section,header{break-inside:auto;border-radius:0}figure,tr{break-inside:avoid}.diagram svg{max-width:100%;height:auto}#details:has(.no-print){display:none}pre{max-height:none}}
`;
