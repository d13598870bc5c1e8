/**
 * One line at the bottom of a terminal that is written over and over. Standard error, so that what a program prints stays its own.
 *
 * @module
 */
import * as Effect from "effect/Effect"

interface Output {
  readonly isTTY?: boolean | undefined
  readonly write: (text: string) => unknown
}

/** Node, Bun and Deno all have it without an import; browsers and workers have none. */
const output = (): Output | undefined => {
  const { process } = globalThis as { readonly process?: { readonly stderr?: Output | undefined } | undefined }
  return process?.stderr?.isTTY === true ? process.stderr : undefined
}

/** Whether there is a terminal to write to. */
export const isLive: Effect.Effect<boolean> = Effect.sync(() => output() !== undefined)

/** Writes over the line; with an empty text it is gone. */
export const rewrite = (text: string): Effect.Effect<void> => Effect.sync(() => void output()?.write(`\r\x1b[K${text}`))
