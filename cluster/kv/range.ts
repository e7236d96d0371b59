/** How etcd answers a range: which versions it fetches, and what it filters, sorts and cuts afterwards. */
import type { KeyValue, RangeRequest, RangeResponse, Revision, SortTarget } from "./request.ts";
import type { Versions } from "./versions.ts";

/**
 * Answers from the versions as of `revision` (undefined: the newest, changes in progress included).
 *
 * As in etcd: the count ignores limit and filters; a limit without a sort order cuts before a sort by something
 * else than the key (which then defaults to ascending); and equals stay in key order, which etcd leaves open.
 */
export function answerRange(
  versions: Versions,
  request: RangeRequest,
  revision: Revision | undefined,
): RangeResponse {
  const { sortTarget = "key" } = request;
  const sortOrder = request.sortOrder ?? "none";
  const limit = request.limit ?? 0;
  const filters =
    (request.minModRevision ?? 0) !== 0 ||
    (request.maxModRevision ?? 0) !== 0 ||
    (request.minCreateRevision ?? 0) !== 0 ||
    (request.maxCreateRevision ?? 0) !== 0;

  let fetch = limit > 0 && sortOrder === "none" && !filters ? limit + 1 : Number.POSITIVE_INFINITY;
  if (request.countOnly === true) fetch = 0;
  let kvs: KeyValue[] = [];
  const count = versions.scan(request.key, request.rangeEnd, revision, fetch, kvs);

  if (filters) kvs = kvs.filter((kv) => passes(request, kv));
  if (sortTarget !== "key") {
    const sign = sortOrder === "descend" ? -1 : 1;
    kvs.sort((a, b) => sign * compareBy(sortTarget, a, b));
  } else if (sortOrder === "descend") {
    kvs.reverse();
  }
  const more = limit > 0 && kvs.length > limit;
  if (more) kvs.length = limit;
  if (request.keysOnly === true) kvs = kvs.map((kv) => ({ ...kv, value: "" }));
  return { kind: "range", kvs, more, count };
}

function passes(request: RangeRequest, kv: KeyValue): boolean {
  const { minModRevision = 0, maxModRevision = 0, minCreateRevision = 0, maxCreateRevision = 0 } = request;
  return (
    (minModRevision === 0 || kv.modRevision >= minModRevision) &&
    (maxModRevision === 0 || kv.modRevision <= maxModRevision) &&
    (minCreateRevision === 0 || kv.createRevision >= minCreateRevision) &&
    (maxCreateRevision === 0 || kv.createRevision <= maxCreateRevision)
  );
}

function compareBy(target: Exclude<SortTarget, "key">, a: KeyValue, b: KeyValue): number {
  switch (target) {
    case "version":
      return a.version - b.version;
    case "create":
      return a.createRevision - b.createRevision;
    case "mod":
      return a.modRevision - b.modRevision;
    case "value":
      return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
  }
}
