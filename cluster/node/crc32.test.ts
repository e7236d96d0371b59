import { expect, it } from "vitest";
import { crc32 } from "./crc32.ts";

it("is the checksum that everybody means", () => {
  expect(crc32(Buffer.from("123456789"))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
});

it("is the same in one piece and in many, however long they are", () => {
  const bytes = Uint8Array.from({ length: 5_000 }, (_, i) => (i * i * 31) >> 3);
  const whole = crc32(bytes);
  for (const size of [1, 7, 511, 512, 513, 4_096]) {
    let sum = 0;
    for (let at = 0; at < bytes.length; at += size)
      sum = crc32(bytes, at, Math.min(bytes.length, at + size), sum);
    expect(sum).toBe(whole);
  }
});
