/** How what belongs to a run is told from all else that the daemon has. */
import os from "node:os";

/** The run's mark. */
export const RUN = "dev.faultline.run";
/** The machine of the tester: nobody else can know whether it is still alive. */
export const HOST = "dev.faultline.host";

/** An image with tools for networks, which a container of the run is or stands beside. */
export const TOOLS = "dev.faultline.tools";

/** The name of everything of a run begins with it. */
export function nameOf(mark: string): string {
  return `faultline-${mark}`;
}

export function labelsOf(mark: string): { readonly [name: string]: string } {
  return { [RUN]: mark, [HOST]: os.hostname() };
}
