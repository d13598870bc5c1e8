/** Tokens that live 2 seconds, a token endpoint that takes 150 ms, 50 workers that call an API 500 times a second for 20 seconds. */
import { type Contender, quantile, type Table } from "./harness.ts"
import { missing, peers } from "./peers.ts"
import { apart, besideServer } from "./processes.ts"
import type { Rotated } from "./rotationClient.ts"

/** A call that took so long, in milliseconds, has waited for a token, or the machine did something else. */
const aWait = 50

const rotating = (name: string): Contender => {
  const took: Array<number> = []
  const counts = { "401s": 0, failed: 0, "token requests": 0, [`> ${aWait} ms`]: 0 }
  return {
    name,
    run: () =>
      besideServer({ lives: 2, takes: 150 }, async (origin) => {
        const round = await apart<Rotated>("./rotationClient.js", { name, origin })
        took.push(...round.took)
        counts["401s"] = Math.max(counts["401s"], round.refused)
        counts.failed = Math.max(counts.failed, round.failed)
        counts["token requests"] = Math.max(counts["token requests"], round.tokens)
        counts[`> ${aWait} ms`] = Math.max(counts[`> ${aWait} ms`]!, round.took.filter((ms) => ms > aWait).length)
        return quantile(round.took, 0.99)
      }),
    counts: () => ({
      ...counts,
      "p50 ms": Number(quantile(took, 0.5).toPrecision(3)),
      "max ms": Number(quantile(took, 1).toPrecision(3))
    })
  }
}

const notes = [
  "ms: real time",
  ...(missing === undefined ? [] : [missing]),
  ...peers.flatMap(({ name, notRotating }) => (notRotating === undefined ? [] : [`Not ${name}: it ${notRotating}`]))
]

export const tables = (): ReadonlyArray<Table> => [
  {
    title: "rotation: 99 of 100 calls are faster",
    floors: ["fetch, eternal token", "the platform's client, eternal token"],
    isTold: true,
    unit: "ms",
    batch: 1,
    rounds: 2,
    note: notes.join(". "),
    contenders: [
      ...[
        "fetch, eternal token",
        "the platform's client, eternal token",
        "the authenticated client, on demand",
        "the authenticated client, layerScheduled"
      ].map(rotating),
      ...peers.flatMap(({ name, notRotating }) => (notRotating === undefined ? [rotating(name)] : []))
    ]
  }
]
