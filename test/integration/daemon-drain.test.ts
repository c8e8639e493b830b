// A daemon that is told to end where no build ran lately does so in the same turn, whoever is connected, and leaves nothing that would
// keep its process.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Daemon } from "../../src/service/daemon/index.ts";
import { control } from "../../src/formats/proto/index.ts";
import { Channel, serviceClient } from "../../src/system/rpc/index.ts";

test("an idle daemon drains at once, though a client listens", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "slipway-drain-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const daemon = await Daemon.open({
    root: join(dir, "store"),
    snapshotter: "copy",
    version: "v0",
    entitlements: [],
    log: () => undefined,
  });
  const address = { kind: "unix", path: join(dir, "d.sock") } as const;
  await daemon.listen(address);
  {
    await using channel = await Channel.dial(address);
    const client = serviceClient(control.Control, channel);
    await client.info({});
    // Waits for a build that does not come, as somebody does who watches.
    const watching = (async () => {
      for await (const _event of client.status({ Ref: "nobody's" }));
    })();
    watching.catch(() => undefined);
    await client.info({});
    const timers = () => process.getActiveResourcesInfo().filter((each) => each === "Timeout").length;
    const before = timers();
    const drained = await Promise.race([daemon.drain().then(() => "drained"), turn("waits")]);
    assert.equal(drained, "drained");
    assert.ok(timers() <= before);
    await daemon[Symbol.asyncDispose]();
    await assert.rejects(watching);
  }
});
