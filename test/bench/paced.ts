/** Calls at a pace: so many workers, each at its own moments, whatever the calls before took. */
import { setTimeout as sleep } from "node:timers/promises"

/** How many, and for how long. */
export interface Pace {
  readonly workers: number
  /** Calls per second, of all together. */
  readonly rate: number
  readonly seconds: number
}

/** What came of it. */
export interface Calls {
  /** How long each took, in milliseconds. */
  readonly took: ReadonlyArray<number>
  /** How many had another status than 200, or none. */
  readonly failed: number
}

/** Makes the calls. A worker whose call took too long makes up for what it missed at once. */
export const paced = async (call: () => Promise<number>, { rate, seconds, workers }: Pace): Promise<Calls> => {
  const took: Array<number> = []
  const period = (workers / rate) * 1_000
  const start = performance.now()
  let failed = 0
  const worker = async (_: unknown, n: number) => {
    for (let due = (n / workers) * period; due < seconds * 1_000; due += period) {
      const rest = start + due - performance.now()
      if (rest > 0) await sleep(rest)
      const begin = performance.now()
      const status = await call().catch(() => 0)
      took.push(performance.now() - begin)
      if (status !== 200) failed++
    }
  }
  await Promise.all(Array.from({ length: workers }, worker))
  return { took, failed }
}
