/**
 * The little of a browser that the report's script uses. The DOM library of TypeScript stays out of this project: it
 * would make `History`, `Event`, `Node`, `process` and a thousand other names global in every file. The browser
 * suite holds these declarations against a real browser.
 */

export interface Page {
  readonly document: Document;
  readonly devicePixelRatio: number;
  readonly navigator: { readonly clipboard?: { writeText(text: string): Promise<void> } };
  requestAnimationFrame(callback: () => void): number;
  getComputedStyle(element: Element): { getPropertyValue(name: string): string };
  matchMedia(query: string): { addEventListener(type: "change", listener: () => void): void };
  addEventListener(type: "resize", listener: () => void): void;
}

export interface Document {
  readonly documentElement: Element;
  getElementById(id: string): Element | null;
  querySelectorAll(selector: string): Iterable<Element>;
  createElement(name: "canvas"): Canvas;
  createElement(name: string): Element;
  addEventListener(type: "click", listener: (event: PointerInput) => void): void;
  createRange(): { selectNodeContents(element: Element): void };
  getSelection(): { removeAllRanges(): void; addRange(range: unknown): void } | null;
}

export interface Element {
  textContent: string | null;
  className: string;
  hidden: boolean;
  /** Of inputs and selects. */
  value: string;
  id: string;
  scrollTop: number;
  readonly clientWidth: number;
  readonly clientHeight: number;
  readonly style: {
    width: string;
    height: string;
    transform: string;
    left: string;
    top: string;
  };
  readonly dataset: { [name: string]: string | undefined };
  append(...children: (Element | string)[]): void;
  replaceChildren(...children: (Element | string)[]): void;
  closest(selector: string): Element | null;
  setAttribute(name: string, value: string): void;
  focus(options?: { readonly preventScroll: boolean }): void;
  scrollIntoView(options: { readonly block: "center" | "nearest" | "start" }): void;
  getBoundingClientRect(): { readonly left: number; readonly top: number; readonly width: number };
  setPointerCapture(id: number): void;
  addEventListener(type: "keydown", listener: (event: KeyInput) => void): void;
  addEventListener(
    type: "pointerdown" | "pointermove" | "pointerup" | "pointerleave" | "click" | "dblclick",
    listener: (event: PointerInput) => void,
  ): void;
  addEventListener(
    type: "wheel",
    listener: (event: WheelInput) => void,
    options: { readonly passive: boolean },
  ): void;
  addEventListener(type: "input" | "change" | "scroll", listener: (event: Input) => void): void;
}

export interface Canvas extends Element {
  width: number;
  height: number;
  getContext(kind: "2d"): Pen | null;
}

export interface Pen {
  fillStyle: string;
  strokeStyle: string;
  lineWidth: number;
  globalAlpha: number;
  font: string;
  textBaseline: "middle" | "top";
  textAlign: "left" | "center" | "right";
  setTransform(a: number, b: number, c: number, d: number, e: number, f: number): void;
  clearRect(x: number, y: number, width: number, height: number): void;
  fillRect(x: number, y: number, width: number, height: number): void;
  strokeRect(x: number, y: number, width: number, height: number): void;
  fillText(text: string, x: number, y: number): void;
  measureText(text: string): { readonly width: number };
  beginPath(): void;
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  rect(x: number, y: number, width: number, height: number): void;
  stroke(): void;
  clip(): void;
  save(): void;
  restore(): void;
}

export interface Input {
  readonly target: Element;
  preventDefault(): void;
}
export interface KeyInput extends Input {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
}
export interface PointerInput extends Input {
  readonly clientX: number;
  readonly clientY: number;
  readonly pointerId: number;
  readonly buttons: number;
}
export interface WheelInput extends PointerInput {
  readonly deltaX: number;
  readonly deltaY: number;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
}
