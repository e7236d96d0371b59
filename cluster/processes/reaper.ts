/** Who cleans up after a run whose members are processes. */
import { reapAtTheEnd } from "../real/reap.ts";
import { removeNamespaces } from "./namespaces.ts";

reapAtTheEnd(removeNamespaces);
