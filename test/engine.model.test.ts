/** The engine over an hour of calls: however a server describes the life of its tokens, it is not asked in a loop. */
import { describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import * as Credentials from "../src/Credentials.ts"
import * as Provider from "../src/Provider.ts"
import * as Token from "../src/Token.ts"
import * as SeededScheduler from "./support/SeededScheduler.ts"

function ensure(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new Error(message())
}

describe("Credentials, whatever lifetime the server says", () => {
  const spacing = (expiresIn: number) => (expiresIn > 0 ? Math.min(10, expiresIn * 0.2) : 10)

  /** How many acquisitions an hour of calls makes, with four calls or so for each one that may be made. */
  const inAnHour = (
    expiresIn: number,
    call: (credentials: Credentials.Credentials) => Effect.Effect<unknown, unknown>
  ) => {
    const world = SeededScheduler.make(1, { yields: 0 })
    const millis = Math.max(100, spacing(expiresIn) * 250)
    let acquisitions = 0
    const provider = Provider.make({
      name: "Hour",
      acquire: () =>
        Effect.map(DateTime.now, (issuedAt) =>
          Token.make({
            accessToken: Redacted.make(`t${++acquisitions}`),
            issuedAt,
            expiresAt: Option.some(DateTime.add(issuedAt, { millis: expiresIn * 1_000 }))
          })
        )
    })
    world.run(
      Effect.scoped(
        Effect.flatMap(Credentials.make(provider), (credentials) =>
          Effect.repeatN(Effect.zipRight(Effect.exit(call(credentials)), Effect.sleep(millis)), 3_600_000 / millis)
        )
      )
    )
    return acquisitions
  }

  const notPositive = fc.double({ min: -1e9, max: 0, noNaN: true })
  const short = fc.double({ min: 5, max: 50, noNaN: true })
  const long = fc.double({ min: 50, max: 1e12, noNaN: true })

  /** One per spacing, and the first. */
  const most = (expiresIn: number) => Math.ceil(3_600 / spacing(expiresIn)) + 1

  const holds = (
    call: (credentials: Credentials.Credentials) => Effect.Effect<unknown, unknown>,
    allowed: (expiresIn: number) => number
  ) =>
    fc.assert(
      fc.property(fc.oneof(notPositive, short, long), (expiresIn) => {
        const acquisitions = inAnHour(expiresIn, call)
        ensure(
          acquisitions >= 1 && acquisitions <= allowed(expiresIn),
          () => `${acquisitions} acquisitions, at most ${allowed(expiresIn)}`
        )
      }),
      { numRuns: 10, examples: [[-1e9], [0], [0.5], [6], [50], [1e12]] }
    )

  it("an hour of calls makes no more acquisitions than one per spacing (S127)", () => {
    holds(({ token }) => token, most)
  }, 60_000)

  it("neither does an hour on schedule (S127)", () => {
    holds(({ maintain }) => maintain, most)
  }, 60_000)

  it.each([1, 100])(
    "neither do calls for a token with %s s of life left (S127)",
    (seconds) => {
      // The first acquisition is made for the first call, whatever it asks for.
      holds(({ tokenValidFor }) => tokenValidFor(Duration.seconds(seconds)), most)
    },
    60_000
  )

  it("an API that refuses every token causes two acquisitions per spacing at most (S127)", () => {
    holds(
      ({ renew, token }) => Effect.flatMap(token, renew),
      (expiresIn) => 2 * most(expiresIn)
    )
  }, 60_000)
})
