/**
 * Time that runs out, by whichever of the wall clock and the monotonic clock saw more of it.
 *
 * @module
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Timing from "./timing.ts"

export interface Countdown {
  readonly left: Effect.Effect<Duration.Duration>
  /** Sleeps no longer than there is time. */
  readonly sleep: (duration: Duration.Duration) => Effect.Effect<void>
}

export const start = (lifetime: Duration.Duration): Effect.Effect<Countdown> =>
  Effect.clockWith((clock) => {
    const elapsed = () => {
      const from = Timing.instant(clock)
      return () => Timing.elapsed(from, Timing.instant(clock))
    }
    const age = elapsed()
    const left = () => Math.max(0, Duration.toMillis(lifetime) - age())
    return Effect.succeed({
      left: Effect.sync(() => Duration.millis(left())),
      sleep: (duration: Duration.Duration) =>
        Effect.suspend(() => {
          const slept = elapsed()
          const rest = () => Math.min(Duration.toMillis(duration) - slept(), left())
          return Effect.whileLoop({
            while: () => rest() > 0,
            body: () => Effect.sleep(Duration.millis(Math.min(rest(), Timing.nap))),
            step: () => {}
          })
        })
    })
  })
