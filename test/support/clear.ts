/** What is redacted, in the clear: two redacted values are equal to every comparison in depth, whatever they hide. */
import * as Redacted from "effect/Redacted"

export const clear = (value: unknown): unknown =>
  Redacted.isRedacted(value)
    ? { redacted: Redacted.value(value) }
    : Array.isArray(value)
      ? value.map(clear)
      : typeof value === "object" && value !== null
        ? Object.fromEntries(Object.entries(value).map(([name, member]) => [name, clear(member)]))
        : value
