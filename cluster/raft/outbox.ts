/** What has gathered for the host since the last Ready. Arrays are given away, never reused. */
import type { Message, Ready } from "./message.ts";

const none: readonly never[] = [];

type ReadState = Ready["readStates"][number];

export class Outbox {
  #messages: Message[] = [];
  #afterSync: Message[] = [];
  #readStates: ReadState[] = [];
  readonly #bug: string;

  constructor(bug: string) {
    this.#bug = bug;
  }

  /** To be sent at once. */
  send(message: Message): void {
    this.#messages.push(message);
  }

  /** To be sent when everything this member has changed so far is durable: the message vouches for it. */
  sendAfterSync(message: Message): void {
    this.#afterSync.push(message);
  }

  answerRead(context: number, index: number): void {
    this.#readStates.push({ context, index });
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
    this.#messages = [];
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
    this.#readStates = [];
    return readStates;
  }
}
