// Names for containers that were given none: two words, as docker makes them.

import { randomInt } from "node:crypto";

const moods =
  "able brave bright calm clever curious eager early easy fair fancy fast fine fond frank fresh glad good grand happy honest humble jolly keen kind light lively lucky mild modest neat nice patient plain polite proud quick quiet ready sharp smart solid steady strong sunny swift tidy true warm wise";
const boats =
  "barge bark brig canoe caravel catboat clipper coaster cog collier corvette cutter dhow dinghy dory ferry frigate galleon galley gig gondola hoy hulk jolly junk kayak ketch launch lighter lugger packet pilot pinnace pram prau punt raft schooner scow shallop skiff sloop smack tender trawler trireme tug whaler wherry yawl";

/** `word_word`; with a number where `attempt` says that names without one were taken. */
export function inventName(attempt: number): string {
  const pick = (words: string) => {
    const list = words.split(" ");
    return list[randomInt(list.length)]!;
  };
  return `${pick(moods)}_${pick(boats)}${attempt > 1 ? randomInt(1000) : ""}`;
}
