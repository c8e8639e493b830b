// One HTML page of a run, with no scripts and nothing fetched: bars of wall time for each workload, timelines of the steps of two builders side by side, and the scaling plots.

import { ms } from "../measure.ts";
import type { Curve } from "../scaling/types.ts";
import { roundsSaid, standingOf } from "./report.ts";
import { median } from "./statistics.ts";
import type { PeerResult, Report, Step, WorkloadResult } from "./types.ts";

const COLORS: Readonly<Record<string, string>> = { slipway: "#0b7285", "slipway-daemon": "#3bc9db" };
const OTHER = "#adb5bd";

/** The whole page. */
export function page(report: Report): string {
  const { machine, curves } = report;
  const title = "Slipway's benchmark";
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><style>
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#212529}
h2{margin:2.5rem 0 .3rem;font-size:1.15rem}p{margin:.2rem 0 .6rem;color:#495057}svg{width:100%;height:auto;font-size:12px}
.met{color:#2b8a3e}.missed{color:#c92a2a}text{fill:#212529}
</style></head><body><h1>${title}</h1><p>${escape(machine.date)}: ${machine.processors} processors (${escape(machine.model)}), Linux ${escape(machine.kernel)}, load ${machine.loads.map((each) => each.toFixed(1)).join(" to ")}; ${roundsSaid(report)}. The line is the bare work: a copy, a tar, a compressor.</p>
${report.workloads.map(workloadPart).join("\n")}
${curves.length === 0 ? "" : `<h1>Cost against size</h1>${curves.map(curvePart).join("\n")}`}
</body></html>
`;
}

function workloadPart(workload: WorkloadResult): string {
  const { ratio, isMet } = standingOf(workload);
  const target =
    workload.target === undefined
      ? ""
      : "ms" in workload.target
        ? `under ${workload.target.ms} ms`
        : `at most ${workload.target.ratio}`;
  const verdict =
    isMet === undefined ? "" : ` <span class="${isMet ? "met" : "missed"}">${isMet ? "met" : "missed"}</span>`;
  const said = [
    ratio === undefined ? "" : `ratio to the fastest peer ${ratio.toFixed(2)}`,
    target === "" ? "" : `target ${target}${verdict}`,
  ];
  return `<h2>${escape(workload.title)}</h2><p>${said.filter(Boolean).join("; ")}</p>${bars(workload)}${timelines(workload)}`;
}

function bars({ peers, limit, title }: WorkloadResult): string {
  const shown = peers.filter(({ samples }) => samples.length > 0);
  if (shown.length === 0) return "<p>not measured</p>";
  const walls = (peer: PeerResult) => peer.samples.map(({ wallMs }) => wallMs);
  const most = Math.max(...shown.flatMap(walls), limit?.sample.wallMs ?? 0);
  const x = (value: number) => 220 + (value / most) * 560;
  const rows = shown.map((peer, at) => {
    const y = at * 26 + 4;
    const middle = median(walls(peer));
    const [least, highest] = [Math.min(...walls(peer)), Math.max(...walls(peer))];
    return `<text x="212" y="${y + 14}" text-anchor="end">${escape(peer.title)}</text><rect x="220" y="${y}" width="${(x(middle) - 220).toFixed(1)}" height="18" fill="${COLORS[peer.peer] ?? OTHER}"/><path d="M${x(least).toFixed(1)} ${y + 9}H${x(highest).toFixed(1)}" stroke="#212529"/><text x="${(x(Math.max(middle, highest)) + 6).toFixed(1)}" y="${y + 14}">${ms(middle)}</text>`;
  });
  const height = shown.length * 26 + 8;
  const bare =
    limit === undefined
      ? ""
      : `<path d="M${x(limit.sample.wallMs).toFixed(1)} 0V${height}" stroke="#e8590c" stroke-dasharray="4 3"><title>${escape(limit.name)} ${ms(limit.sample.wallMs)}</title></path>`;
  return `<svg viewBox="0 0 900 ${height}" role="img" aria-label="${escape(title)}">${rows.join("")}${bare}</svg>`;
}

/** Only where at least one builder told its steps. */
function timelines({ peers }: WorkloadResult): string {
  const told = peers.flatMap(({ peer, title, samples }) => {
    const steps = samples.find((sample) => (sample.steps ?? []).length > 0)?.steps;
    return steps === undefined ? [] : [{ peer, title, steps }];
  });
  const most = Math.max(1, ...told.flatMap(({ steps }) => steps.map(({ toMs }) => toMs)));
  return told.map(({ peer, title, steps }) => timeline(title, steps, most, COLORS[peer] ?? OTHER)).join("");
}

function timeline(title: string, steps: readonly Step[], most: number, color: string): string {
  const rows = steps.map(({ name, fromMs, toMs }, at) => {
    const from = (fromMs / most) * 880;
    const width = Math.max(1.5, ((toMs - fromMs) / most) * 880);
    return `<rect x="${from.toFixed(1)}" y="${at * 9}" width="${width.toFixed(1)}" height="7" fill="${color}"><title>${escape(name)}: ${ms(toMs - fromMs)}</title></rect>`;
  });
  return `<p>steps of ${escape(title)}, ${ms(most)} wide</p><svg viewBox="0 0 900 ${steps.length * 9 + 4}" role="img" aria-label="steps of ${escape(title)}">${rows.join("")}</svg>`;
}

/** Both axes logarithmic: a straight line's slope is the exponent. */
function curvePart({ title, unit, points, exponent }: Curve): string {
  const log = Math.log10;
  const range = (values: readonly number[]) => ({
    low: Math.min(...values),
    span: Math.max(...values) - Math.min(...values) || 1,
  });
  const sizes = range(points.map(({ size }) => log(size)));
  const costs = range(points.map(({ cost }) => log(cost)));
  const at = points.map(({ size, cost }) => ({
    x: 90 + ((log(size) - sizes.low) / sizes.span) * 600,
    y: 170 - ((log(cost) - costs.low) / costs.span) * 150,
    label: `${size}: ${ms(cost)}`,
  }));
  const line = at.map(({ x, y }, index) => `${index === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  const dots = at.map(
    ({ x, y, label }) =>
      `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="4" fill="${COLORS["slipway"]}"/><text x="${(x + 7).toFixed(1)}" y="${(y + 14).toFixed(1)}">${escape(label)}</text>`,
  );
  return `<h2>${escape(title)}</h2><p>time against ${escape(unit)}, both logarithmic: exponent ${exponent.toFixed(2)}</p><svg viewBox="0 0 900 200" role="img" aria-label="${escape(title)}"><path d="${line}" fill="none" stroke="${COLORS["slipway"]}"/>${dots.join("")}</svg>`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
