/**
 * The charts: vega-lite specs as data, rendered to SVG when the report is written, so that a reader's browser draws
 * pictures and runs no chart library. Colours are CSS variables, hence the same SVG serves light, dark and print.
 * A spec never holds more than some thousand marks: what there is more of is aggregated or sampled before.
 */
import type { Nanos, NodeId } from "../src/history/op.ts";
import type { FinishedRun } from "../src/store/run-directory.ts";
import type { FaultSpan } from "./fault-spans.ts";
import { shortened, visible } from "./html.ts";
import type { Reign } from "./leadership.ts";
import { latencies, OUTCOMES, QUANTILES, quantiles, rates, sampled, slices } from "./series.ts";
import type { Scene } from "./story.ts";

type Value =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Value[]
  | { readonly [field: string]: Value };
export type Spec = { readonly [field: string]: Value };

export interface Chart {
  readonly title: string;
  /** What to look for, in a sentence. */
  readonly caption: string;
  readonly spec: Spec;
}

export interface ChartInput {
  readonly run: FinishedRun;
  readonly scene: Scene;
  /** CSS colour of each fault's spans. */
  readonly colourOf: (fault: string) => string;
  readonly until: Nanos;
}

const MOST_POINTS = 2_000;
const MOST_SLICES = 120;
const MOST_SPANS = 500;
const WIDTH = 940;

/** What all charts share: their width, and colours and fonts of the page around them. */
export const chartLook: Spec = {
  width: WIDTH,
  background: null,
  padding: 4,
  config: {
    font: "system-ui, sans-serif",
    view: { stroke: "var(--line)" },
    axisY: { minExtent: 46 },
    axis: {
      labelColor: "var(--muted)",
      titleColor: "var(--muted)",
      titleFontWeight: "normal",
      gridColor: "var(--line)",
      gridOpacity: 0.6,
      domainColor: "var(--line)",
      tickColor: "var(--line)",
    },
    legend: {
      labelColor: "var(--ink)",
      titleColor: "var(--muted)",
      orient: "top",
      offset: 4,
      symbolStrokeWidth: 2,
    },
  },
};

export function charts(input: ChartInput): Chart[] {
  const operations = input.run.history.client;
  const points = latencies(operations);
  const cut = slices(0, input.until, MOST_SLICES);
  const { rates: rate, availability } = rates(operations, cut);
  const shown = sampled(points, MOST_POINTS);
  const every =
    shown.length < points.length
      ? ` ${shown.length} of ${points.length} are drawn, the slowest and fastest of every moment among them.`
      : "";
  const outcome = {
    field: "type",
    scale: { domain: [...OUTCOMES], range: OUTCOMES.map((type) => `var(--${type})`) },
    title: null,
  };
  const found: Chart[] = [
    {
      title: "Latency",
      caption: `Each mark is one operation, at the time it was asked.${every}`,
      spec: plot(input, 220, [
        {
          data: { values: [...shown] as unknown as Value },
          mark: { type: "point", filled: true, size: 14, opacity: 0.65 },
          encoding: {
            x: seconds(input),
            y: {
              field: "ms",
              type: "quantitative",
              scale: { type: "log" },
              title: "milliseconds",
              axis: { format: "~r", tickCount: 4 },
            },
            color: outcome,
            shape: {
              field: "type",
              scale: { domain: [...OUTCOMES], range: ["circle", "cross", "triangle-up"] },
              legend: null,
            },
          },
        },
      ]),
    },
    {
      title: "Latency quantiles",
      caption: "Of the operations that succeeded, by the time they were asked.",
      spec: plot(input, 200, [
        {
          data: { values: quantiles(points, cut) as unknown as Value },
          mark: { type: "line", interpolate: "step-after", strokeWidth: 1.5 },
          encoding: {
            x: seconds(input),
            y: {
              field: "ms",
              type: "quantitative",
              scale: { type: "log" },
              title: "milliseconds",
              axis: { format: "~r", tickCount: 4 },
            },
            color: {
              field: "name",
              scale: {
                domain: QUANTILES.map(({ name }) => name),
                range: QUANTILES.map((_, i) => `var(--q${i})`),
              },
              title: null,
            },
          },
        },
      ]),
    },
    {
      title: "Rate",
      caption: "Answers per second by outcome: ok took effect, fail did not and never will, info may have.",
      spec: plot(input, 160, [
        {
          data: { values: rate as unknown as Value },
          mark: { type: "line", interpolate: "step-after", strokeWidth: 1.5 },
          encoding: {
            x: seconds(input),
            y: { field: "rate", type: "quantitative", title: "per second" },
            color: outcome,
          },
        },
      ]),
    },
    {
      title: "Availability",
      caption: "Share of the answers that were a success. A gap means that nothing was answered at all.",
      spec: plot(input, 120, [
        {
          data: { values: availability as unknown as Value },
          mark: { type: "bar", color: "var(--ok)", opacity: 0.55 },
          encoding: {
            x: seconds(input),
            x2: { field: "until" },
            y2: { datum: 0 },
            y: { field: "percent", type: "quantitative", scale: { domain: [0, 100] }, title: "percent" },
          },
        },
      ]),
    },
  ];
  const offsets = clockOffsets(input.scene.spans);
  if (offsets.length > 0) {
    found.push({
      title: "Clocks",
      caption:
        "How far each node's wall clock was off, as measured when the fault began and when it was healed.",
      spec: plot(input, 140, [
        {
          data: { values: offsets as unknown as Value },
          mark: { type: "line", strokeWidth: 1.5, point: { size: 18 } },
          encoding: {
            x: seconds(input),
            y: {
              field: "offset",
              type: "quantitative",
              title: "seconds off",
              scale: { type: "symlog" },
              axis: { tickCount: 5 },
            },
            color: byNode(input.scene.nodes),
            detail: { field: "span", type: "nominal" },
          },
        },
      ]),
    });
  }
  if (input.scene.reigns.length > 0) found.push(leaders(input));
  return found;
}

function leaders(input: ChartInput): Chart {
  const values = input.scene.reigns.slice(0, MOST_SPANS).map((reign: Reign) => ({
    node: plain(reign.node),
    second: reign.from / 1e9,
    until: reign.until / 1e9,
    term: reign.term,
  }));
  const y = {
    field: "node",
    type: "nominal",
    scale: { domain: input.scene.nodes.map(plain) },
    title: null,
  };
  return {
    title: "Leaders and terms",
    caption: "Who led, and in which term. Where two bars overlap in time, two nodes led at once.",
    spec: plot(input, 26 * Math.max(1, input.scene.nodes.length), [
      {
        data: { values },
        mark: { type: "bar", color: "var(--leader)", height: { band: 0.6 } },
        encoding: { x: seconds(input), x2: { field: "until" }, y },
      },
      {
        data: { values },
        mark: {
          type: "text",
          align: "left",
          baseline: "middle",
          dx: 3,
          fontSize: 11,
          color: "var(--on-leader)",
        },
        encoding: { x: seconds(input), y, text: { field: "term", type: "quantitative" } },
      },
    ]),
  };
}

/** Names end up in vega's own expressions, which choke on what no name should hold. */
function plain(name: string): string {
  return shortened(visible(name), 24);
}

function byNode(nodes: readonly NodeId[]): Spec {
  return {
    field: "node",
    scale: { domain: nodes.map(plain), range: nodes.map((_, i) => `var(--node${i % 9})`) },
    title: null,
  };
}

function seconds(input: ChartInput): Spec {
  return {
    field: "second",
    type: "quantitative",
    scale: { domain: [0, Math.max(1, input.until / 1e9)], nice: false, clamp: true },
    title: "seconds",
    axis: { tickCount: 12 },
  };
}

/** `layers` over the shaded spans of the faults. */
function plot(input: ChartInput, height: number, layers: readonly Spec[]): Spec {
  const spans = input.scene.spans
    .filter((span) => span.refused === undefined)
    .slice(0, MOST_SPANS)
    .map((span) => ({ second: span.from / 1e9, until: span.until / 1e9, fault: plain(span.fault) }));
  const names = [...new Set(input.scene.spans.map(({ fault }) => fault))];
  return {
    ...chartLook,
    height,
    resolve: { scale: { color: "independent" } },
    layer: [
      {
        data: { values: spans },
        mark: { type: "rect", opacity: 0.16 },
        encoding: {
          x: seconds(input),
          x2: { field: "until" },
          color: {
            field: "fault",
            scale: { domain: names.map(plain), range: names.map(input.colourOf) },
            legend: null,
          },
        },
      },
      ...layers,
    ],
  };
}

/**
 * What is known of wall clocks: measured offsets at both ends of each fault of clocks, zero before and after. A clock
 * that drifts leaves zero in a straight line, one that jumps does it at once.
 */
export function clockOffsets(
  spans: readonly FaultSpan[],
): { readonly node: NodeId; readonly span: number; readonly second: number; readonly offset: number }[] {
  return spans.flatMap((span) => {
    if (span.fault !== "clock" || span.refused !== undefined) return [];
    const began = offsetsIn(span.did);
    const ended = offsetsIn(span.healed);
    return span.nodes.flatMap((node) => {
      const last = ended[node] ?? began[node];
      if (last === undefined) return [];
      const point = (time: Nanos, offset: number) => ({
        node: plain(node),
        span: span.index,
        second: time / 1e9,
        offset: offset / 1e9,
      });
      return [
        point(span.from, 0),
        ...(began[node] === undefined ? [] : [point(span.from, began[node])]),
        point(span.until, last),
        point(span.until, 0),
      ];
    });
  });
}

function offsetsIn(evidence: FaultSpan["did"]): { readonly [node: NodeId]: number } {
  if (evidence === null || typeof evidence !== "object" || Array.isArray(evidence)) return {};
  const { offsets } = evidence as { readonly offsets?: FaultSpan["did"] };
  if (offsets === null || typeof offsets !== "object" || Array.isArray(offsets)) return {};
  return Object.fromEntries(
    Object.entries(offsets).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
  );
}

/** The SVG of each chart. Imports vega when first called: it takes a fifth of a second to load. */
export async function drawn(all: readonly Chart[]): Promise<string[]> {
  const [vega, vegaLite] = await Promise.all([import("vega"), import("vega-lite")]);
  const logger = vega.logger(vega.Error);
  const svgs: string[] = [];
  for (const { spec } of all) {
    const { spec: compiled } = vegaLite.compile(spec as unknown as Parameters<typeof vegaLite.compile>[0], {
      logger,
    });
    const view = new vega.View(vega.parse(compiled), { renderer: "none", logger });
    svgs.push(await view.toSVG());
    view.finalize();
  }
  return svgs;
}
