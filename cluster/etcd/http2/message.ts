/** Which header fields make a request (RFC 9113, sections 8.2 and 8.3). Whatever does not is malformed as a whole. */
import type { Field } from "./hpack.ts";

/** A token of HTTP's (RFC 9110, section 5.6.2), in lower case. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** What would end a line for whoever writes fields as lines. */
const BREAKS = /[\0\r\n]/;

/** Of a connection and not of a request, and not known to HTTP/2. */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "proxy-connection",
  "keep-alive",
  "transfer-encoding",
  "upgrade",
]);

/** The one method that has neither scheme nor path is of no use here. */
export function isRequest(fields: readonly Field[]): boolean {
  let [method, scheme, path, authority] = [0, 0, 0, 0];
  let at = 0;
  for (; at < fields.length; at++) {
    const [name, value] = fields[at] as Field;
    if (!name.startsWith(":")) break;
    if (name === ":method") method++;
    else if (name === ":scheme") scheme++;
    else if (name === ":path" && value !== "") path++;
    else if (name === ":authority") authority++;
    else return false;
    if (BREAKS.test(value)) return false;
  }
  return method === 1 && scheme === 1 && path === 1 && authority <= 1 && areRegular(fields, at);
}

/** Fields that follow the contents. */
export function areTrailers(fields: readonly Field[]): boolean {
  return areRegular(fields, 0);
}

function areRegular(fields: readonly Field[], from: number): boolean {
  for (let at = from; at < fields.length; at++) {
    const [name, value] = fields[at] as Field;
    if (!NAME.test(name) || BREAKS.test(value) || CONNECTION_FIELDS.has(name)) return false;
    if (name === "te" && value !== "trailers") return false;
  }
  return true;
}
