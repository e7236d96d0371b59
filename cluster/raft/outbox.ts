/** What has gathered for the host since the last Ready. Arrays are given away, never reused. */
import type { Message, Ready } from "./message.ts";

const none: never[] = [];

/**
 * The list with one more. A list of its own for the first: most are given away with one element or a few, and an
 * empty array that grows makes room for seventeen.
 */
function extended<T>(list: T[], item: T): T[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}

type ReadState = Ready["readStates"][number];

export class Outbox {
  #messages: Message[] = none;
  #afterSync: Message[] = [];
  #readStates: ReadState[] = none;
  readonly #bug: string;

  constructor(bug: string) {
    this.#bug = bug;
  }

  /** To be sent at once. */
  send(message: Message): void {
    this.#messages = extended(this.#messages, message);
  }

  /** To be sent when everything this member has changed so far is durable: the message vouches for it. */
  sendAfterSync(message: Message): void {
    // The planted bug fills a list that it has given away.
    if (this.#bug === "ready-aliased") this.#afterSync.push(message);
    else this.#afterSync = extended(this.#afterSync, message);
  }

  answerRead(context: number, index: number): void {
    this.#readStates = extended(this.#readStates, { context, index });
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0 && this.#afterSync.length === 0 && this.#readStates.length === 0;
  }

  get hasAfterSync(): boolean {
    return this.#afterSync.length > 0;
  }

  takeMessages(): readonly Message[] {
    if (this.#messages.length === 0) return none;
    const messages = this.#messages;
    this.#messages = none;
    return messages;
  }

  takeAfterSync(): readonly Message[] {
    if (this.#afterSync.length === 0) return this.#bug === "ready-aliased" ? this.#afterSync : none;
    const messages = this.#afterSync;
    this.#afterSync = [];
    return messages;
  }

  takeReadStates(): readonly ReadState[] {
    if (this.#readStates.length === 0) return none;
    const readStates = this.#readStates;
    this.#readStates = none;
    return readStates;
  }
}
