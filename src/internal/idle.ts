/**
 * What goes on while nobody waits for it, and must not keep a program from ending.
 *
 * @module
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import type * as Scope from "effect/Scope"
import * as Node from "./node.ts"
import { isUnattended } from "./unattended.ts"

/** A pause during which the program may end, if it has nothing else to do. By a clock that is not the machine's own: a sleep as any other. */
export const sleep = (duration: Duration.DurationInput): Effect.Effect<void> =>
  Effect.clockWith((clock) =>
    clock === Context.get(DefaultServices.liveServices, Clock.Clock)
      ? Node.pause(Duration.toMillis(duration))
      : clock.sleep(Duration.decode(duration))
  )

/** Keeps the program from ending until the scope closes, unless this fiber {@link isUnattended}. */
export const attend: Effect.Effect<void, never, Scope.Scope> = /* @__PURE__ */ Effect.suspend(() =>
  Effect.flatMap(FiberRef.get(isUnattended), (isUnattended) =>
    // What never ends has a timer, so that Effect's programs wait for it.
    isUnattended ? Effect.void : Effect.asVoid(Effect.forkScoped(Effect.never))
  )
)
