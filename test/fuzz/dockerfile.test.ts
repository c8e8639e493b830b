// The properties of the Dockerfile readers, checked briefly; `npm run fuzz` checks them at length.

import { test } from "node:test";
import { PROPERTIES } from "./dockerfile-properties.ts";

for (const [name, check] of Object.entries(PROPERTIES)) void test(name, () => check(300));
