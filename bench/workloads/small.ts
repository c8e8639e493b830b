// What developers do all day: building again, changing a line, running steps; and graphs of many stages.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab, Output, Workload } from "../harness/types.ts";
import { hasProgram } from "../peers/programs.ts";
import { context, fresh, manyFiles } from "./contexts.ts";

/** A name of each workload's own: an engine may be removing what had the name before. */
function stored(id: string): Output {
  return { kind: "store", name: `bench/${id}:latest` };
}

/** Buildah and the classic builder build stages in turn, which is theirs to lose; all make an image of the result. */
export function smallWorkloads(isQuick: boolean): Workload[] {
  return [
    noOp(isQuick),
    oneLine(isQuick),
    steps(isQuick, isQuick ? 2 : 20),
    graph(isQuick, "diamond", 2),
    { ...graph(isQuick, "fan-out", isQuick ? 3 : 64), isVariant: true },
  ];
}

function noOp(isQuick: boolean): Workload {
  const files = isQuick ? 100 : 2000;
  const sources = isQuick ? [1, 2] : [1, 2, 3, 4, 5];
  let dir = "";
  return {
    id: "no-op",
    title: `rebuild, nothing changed, ${sources.length + 1} stages, ${files.toLocaleString("en")} files`,
    target: { ratio: 0.7 },
    prepare: (lab) => {
      const stages = sources
        .map((n) => `FROM base AS s${n}\nCOPY d${isQuick ? 0 : n % 4} /src\nRUN echo ${n} > /out${n}\n`)
        .join("");
      const last = `FROM base\n${sources.map((n) => `COPY --from=s${n} /out${n} /\n`).join("")}COPY . /all\n`;
      dir = context(lab, "no-op", `FROM ${lab.base} AS base\n${stages}${last}`, (to) => manyFiles(to, files));
    },
    warm: async (peer) => {
      await peer.build({ context: dir, output: stored("no-op") });
      if (!isQuick) await peer.build({ context: dir, output: stored("no-op") });
    },
    round: (peer) => peer.build({ context: dir, output: stored("no-op") }),
  };
}

function oneLine(isQuick: boolean): Workload {
  let dir = "";
  return {
    id: "one-line",
    title: "one line changed, warm store: COPY and one RUN again",
    target: { ratio: 0.8 },
    prepare: (lab) => {
      const file = `FROM ${lab.base}\nCOPY lib /lib2\nRUN find /lib2 -type f | wc -l > /count\nCOPY src /src\nRUN cat /src/d0/* > /app\n`;
      dir = context(lab, "one-line", file, (to) => {
        manyFiles(join(to, "lib"), isQuick ? 100 : 2000);
        manyFiles(join(to, "src"), 50);
      });
    },
    warm: async (peer) => void (await peer.build({ context: dir, output: stored("one-line") })),
    round: (peer) => {
      writeFileSync(join(dir, "src/d0/main"), fresh());
      return peer.build({ context: dir, output: stored("one-line") });
    },
  };
}

function steps(isQuick: boolean, count: number): Workload {
  let dir = "";
  return {
    id: "steps",
    // Ours runs steps by crun where it is there; peers by what they were built for.
    title: `${count} trivial RUN steps, ${hasProgram("crun") ? "crun" : "runc"}`,
    target: { ratio: hasProgram("crun") ? 0.25 : 0.6 },
    prepare: (lab) => {
      dir = context(lab, "steps", `FROM ${lab.base}\nARG SALT\n${"RUN : $SALT\n".repeat(count)}`);
    },
    warm: async (peer) => {
      if (!isQuick) await peer.build({ context: dir, output: stored("steps"), args: { SALT: "warm" } });
    },
    round: (peer) => peer.build({ context: dir, output: stored("steps"), args: { SALT: fresh() }, wantsSteps: true }),
  };
}

function graph(isQuick: boolean, shape: "diamond" | "fan-out", width: number): Workload {
  let dir = "";
  return {
    id: shape,
    title:
      shape === "diamond"
        ? `diamond: two stages that sleep ${isQuick ? 0.1 : 1} s, joined`
        : `${width} stages side by side, joined`,
    prepare: (lab) => {
      const work = shape === "diamond" ? `sleep ${isQuick ? 0.1 : 1}; ` : "";
      const names = Array.from({ length: width }, (_, at) => `s${at}`);
      const stages = names
        .map((name) => `FROM ${lab.base} AS ${name}\nARG SALT\nRUN ${work}echo $SALT > /${name}\n`)
        .join("");
      const joined = names.map((name) => `COPY --from=${name} /${name} /\n`).join("");
      dir = context(lab, shape, `${stages}FROM ${lab.base}\n${joined}`);
    },
    warm: async (peer, lab: Lab) => {
      if (!isQuick) await peer.build({ context: pulled(lab), output: stored(shape) });
    },
    round: (peer) =>
      peer.build({ context: dir, output: stored(shape), args: { SALT: fresh() }, wantsSteps: shape === "diamond" }),
  };
}

function pulled(lab: Lab): string {
  return context(lab, "pulled", `FROM ${lab.base}\nRUN true\n`);
}
