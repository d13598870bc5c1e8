/**
 * A clock whose wall and monotonic time can come apart, as on a real machine: `suspend` moves the wall alone, `jump` sets
 * it, `advance` moves both and wakes sleepers. Timers follow the monotonic time.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

export interface HybridClock extends Clock.Clock {
  /** Both clocks move on, sleepers wake in order. */
  readonly advance: (duration: Duration.DurationInput) => Effect.Effect<void>
  /** The machine sleeps: the wall clock moves, timers and the monotonic clock stand still. */
  readonly suspend: (duration: Duration.DurationInput) => Effect.Effect<void>
  /** Somebody sets the wall clock, by milliseconds forward or backward. */
  readonly jump: (millis: number) => Effect.Effect<void>
  /** How long each sleep was that anybody asked for, in milliseconds. */
  readonly slept: ReadonlyArray<number>
  /** How many sleep now. */
  readonly asleep: () => number
}

/** Lets everything run that can. */
export const settle: Effect.Effect<void> = Effect.promise(() => new Promise<void>((resume) => setImmediate(resume)))

export const make = (wallAtStart = 1_700_000_000_000): HybridClock => {
  let mono = 0
  let offset = wallAtStart
  let sleepers: ReadonlyArray<Sleeper> = []
  const slept: Array<number> = []
  const millis = () => Math.floor(mono + offset)
  const nanos = () => BigInt(Math.floor(mono * 1e6))
  const sleep = (duration: Duration.Duration) =>
    Effect.async<void>((resume) => {
      slept.push(Duration.toMillis(duration))
      const sleeper = { at: mono + Duration.toMillis(duration), wake: () => resume(Effect.void) }
      sleepers = [...sleepers, sleeper]
      return Effect.sync(() => {
        sleepers = sleepers.filter((other) => other !== sleeper)
      })
    })
  return {
    ...Clock.make(),
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: millis,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanos: Effect.sync(nanos),
    sleep,
    slept,
    asleep: () => sleepers.length,
    advance: (duration) =>
      Effect.gen(function* () {
        yield* settle
        const until = mono + Duration.toMillis(duration)
        while (true) {
          const next = sleepers.reduce<Sleeper | undefined>(
            (first, sleeper) =>
              sleeper.at <= until && (first === undefined || sleeper.at < first.at) ? sleeper : first,
            undefined
          )
          if (next === undefined) break
          mono = Math.max(mono, next.at)
          sleepers = sleepers.filter((sleeper) => sleeper !== next)
          next.wake()
          yield* settle
        }
        mono = until
      }),
    suspend: (duration) => Effect.sync(() => void (offset += Duration.toMillis(duration))),
    jump: (by) => Effect.sync(() => void (offset += by))
  }
}
