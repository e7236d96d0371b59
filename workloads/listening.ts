/** A watch that is listened to for a while. */
import type { Watch } from "../cluster/api.ts";
import type { Nanos } from "../src/history/op.ts";
import type { Runtime } from "../src/runtime/runtime.ts";

/** Resolves once the watch that `open` opens calls `stop`, `most` is over, or the signal comes; then cancels it. */
export function listen(
  runtime: Runtime,
  most: Nanos,
  signal: AbortSignal | undefined,
  open: (stop: () => void) => Watch,
): Promise<void> {
  return new Promise((resolve) => {
    let watch: Watch | undefined;
    const stop = (): void => {
      timer.cancel();
      signal?.removeEventListener("abort", stop);
      watch?.cancel();
      resolve();
    };
    const timer = runtime.timer(most, stop);
    signal?.addEventListener("abort", stop);
    watch = open(stop);
  });
}
