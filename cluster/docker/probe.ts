/** Asks what there is to know of the daemon, and prints it as JSON: for those who cannot wait for a promise. */
import { stdout } from "node:process";
import { survey } from "./engine.ts";

stdout.write(JSON.stringify(await survey()));
