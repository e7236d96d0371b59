/** Who cleans up after a run whose members are containers. */
import { reapAtTheEnd } from "../real/reap.ts";
import { removeRun } from "./removal.ts";

reapAtTheEnd(removeRun);
