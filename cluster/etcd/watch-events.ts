/**
 * What watches are told, converted and encoded. Many may watch the same keys, and hear of a change in the same turn:
 * so what was made for one of them lately is used for the others.
 */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { KeyValue, ResponseHeader, WatchEvent } from "../kv/request.ts";
import { fromEvent, fromHeader } from "./convert.ts";
import { Event } from "./generated/kv.ts";
import * as pb from "./generated/rpc.ts";

/** Changes at a time: those of the revision that is told, and some more. */
const CAPACITY = 256;
/** Field numbers of what is shared: the first field and the last. */
const HEADER = 1;
const EVENTS = 11;

class Recent<K, V> {
  readonly #made = new Map<K, V>();

  get(key: K, make: () => V): V {
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    if (this.#made.size >= CAPACITY) this.#made.clear();
    const made = make();
    this.#made.set(key, made);
    return made;
  }
}

/** By the version that came to be, since each watch may have an event of its own. */
const plain = new Recent<KeyValue, Event>();
const withPrevious = new Recent<KeyValue, Event>();
/** As fields of a response. */
const events = new Recent<Event, Uint8Array>();
const headers = new Recent<pb.ResponseHeader, Uint8Array>();
let newest: { readonly from: ResponseHeader; readonly header: pb.ResponseHeader } | undefined;

/** Like `fromEvent`, but the same object for the same change. */
export function sharedEvent(event: WatchEvent): Event {
  return (event.prevKv === undefined ? plain : withPrevious).get(event.kv, () => fromEvent(event));
}

/** Like `fromHeader`, but the same object as the last time if it says the same. */
export function sharedHeader(from: ResponseHeader): pb.ResponseHeader {
  const same =
    newest !== undefined &&
    newest.from.revision === from.revision &&
    newest.from.raftTerm === from.raftTerm &&
    newest.from.memberId === from.memberId &&
    newest.from.clusterId === from.clusterId;
  if (!same) newest = { from, header: fromHeader(from) };
  return (newest as NonNullable<typeof newest>).header;
}

/** As etcd encodes it. */
export function encodeWatchResponse(response: pb.WatchResponse): Buffer {
  const { header } = response;
  const parts: Uint8Array[] = [];
  if (header !== undefined)
    parts.push(headers.get(header, () => field(HEADER, pb.ResponseHeader.encode(header).finish())));
  parts.push(pb.WatchResponse.encode({ ...response, header: undefined, events: [] }).finish());
  for (const event of response.events)
    parts.push(events.get(event, () => field(EVENTS, Event.encode(event).finish())));
  return Buffer.concat(parts);
}

function field(number: number, bytes: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();
}
