/** A provider that counts, and what tests of the engine need around it. */
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import { RefreshError, type RefreshErrorReason } from "../../src/CredentialsError.ts"
import * as Provider from "../../src/Provider.ts"
import * as Token from "../../src/Token.ts"

export interface Counting {
  readonly provider: Provider.Provider
  /** What each acquisition was asked for, in order. */
  readonly needs: ReadonlyArray<Provider.Need>
  /** When each started, in milliseconds. */
  readonly startedAt: ReadonlyArray<number>
  /** Acquisitions that were interrupted. */
  readonly aborted: () => number
  /** What the next acquisitions do instead of succeeding; undefined is success. */
  readonly script: Array<RefreshErrorReason | "die" | "never" | "same" | undefined>
  /** What every acquisition does once the script is through. */
  always: RefreshErrorReason | undefined
}

export interface CountingOptions {
  /** Seconds a token lives; undefined: unknown. */
  readonly lifetime?: number | undefined
  /** How long an acquisition takes. */
  readonly takes?: Duration.DurationInput
  /** Whether tokens come with a refresh token. */
  readonly rotates?: boolean
  readonly rest?: Partial<Provider.Provider>
}

export const counting = (options: CountingOptions = {}): Counting => {
  const needs: Array<Provider.Need> = []
  const startedAt: Array<number> = []
  let aborted = 0
  const self: Counting = {
    needs,
    startedAt,
    aborted: () => aborted,
    script: [],
    always: undefined,
    provider: Provider.make({
      name: "Counting",
      ...options.rest,
      acquire: (need) =>
        Effect.gen(function* () {
          needs.push(need)
          const n = needs.length
          const issuedAt = yield* DateTime.now
          startedAt.push(DateTime.toEpochMillis(issuedAt))
          const scripted = self.script.shift()
          if (scripted === "never") return yield* Effect.never
          if (options.takes !== undefined) yield* Effect.sleep(options.takes)
          if (scripted === "die") return yield* Effect.dieMessage("broken")
          if (scripted === "same") return Option.getOrThrow(need.previous)
          const reason = scripted ?? self.always
          if (reason !== undefined) return yield* new RefreshError({ provider: "Counting", reason })
          return Token.make({
            accessToken: Redacted.make(`t${n}`),
            issuedAt,
            expiresAt:
              options.lifetime === undefined
                ? Option.none()
                : Option.some(DateTime.add(issuedAt, { millis: options.lifetime * 1000 })),
            refreshToken: options.rotates === true ? Option.some(Redacted.make(`r${n}`)) : Option.none()
          })
        }).pipe(Effect.onInterrupt(() => Effect.sync(() => aborted++)))
    })
  }
  return self
}

export const show = (token: Token.Token): string => Redacted.value(token.accessToken)

/** No jitter: renewals start exactly when the window opens. */
export const withoutJitter: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = Effect.withRandom(
  Random.fixed([0])
)
