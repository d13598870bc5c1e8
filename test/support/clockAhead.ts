/** The machine's clock, ahead by as many seconds as a process was told last: wall and monotonic time alike, while sleeping takes what it takes. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"

const live = Context.get(DefaultServices.liveServices, Clock.Clock)

/** The clock, and what sets it ahead, by seconds in all. */
export const make = (): readonly [clock: Clock.Clock, setAhead: (seconds: number) => void] => {
  let ahead = 0
  const millis = () => live.unsafeCurrentTimeMillis() + ahead * 1_000
  const nanos = () => live.unsafeCurrentTimeNanos() + BigInt(ahead) * 1_000_000_000n
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: millis,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanos: Effect.sync(nanos),
    sleep: (duration) => live.sleep(duration)
  }
  return [clock, (seconds) => void (ahead = seconds)]
}
