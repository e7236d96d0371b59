/** What is said and left when a person, or a supervisor, ends the command. */
import { stderr } from "node:process";

/** Exit codes that shells report of a process which these signals ended. */
const CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Until the returned function is called, a signal prints what `message` gives and exits. Afterwards it ends the
 * process without a word, as it does where nothing is left to say.
 */
export function onInterrupt(message: () => string): () => void {
  const signals = Object.keys(CODES) as (keyof typeof CODES)[];
  const handlers = signals.map((signal) => {
    const handler = (): void => {
      stderr.write(`${message()}\n`);
      process.exit(CODES[signal]);
    };
    process.on(signal, handler);
    return () => process.removeListener(signal, handler);
  });
  return () => {
    for (const remove of handlers) remove();
  };
}
