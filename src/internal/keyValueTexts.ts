/**
 * Texts where nothing is promised but that each of them is kept under its key: no locks, no order, no list. The list is one more text.
 *
 * @module
 */
import type * as PlatformError from "@effect/platform/Error"
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as Lock from "./lock.ts"
import type { Failure, TextLock, Texts } from "./textStore.ts"

/** What keeps a text under a key. */
export interface Keep {
  readonly get: (key: string) => Effect.Effect<Option.Option<string>, Failure>
  readonly set: (key: string, text: string) => Effect.Effect<unknown, Failure>
  /** Nothing there is fine. */
  readonly remove: (key: string) => Effect.Effect<unknown, Failure>
}

/** The texts of all who use the same `written` in this process, and take turns by the same lock. */
export const make = (keep: Keep, lock: TextLock, written: PubSub.PubSub<string>): Texts => {
  const listed = "names"
  const aside = (name: string) => `${name}.corrupt`

  const names = Effect.map(keep.get(listed), (text) =>
    Option.getOrElse(text, () => "")
      .split("\n")
      .filter((name) => name !== "")
  )

  /** Whether a name is on the list, from now on. */
  const list = (name: string, isListed: boolean): Effect.Effect<void, Failure> => {
    const change = Effect.flatMap(names, (before) =>
      before.includes(name) === isListed
        ? Effect.void
        : Effect.asVoid(
            keep.set(listed, (isListed ? [...before, name] : before.filter((other) => other !== name)).join("\n"))
          )
    )
    // Most often there is nothing to do, which takes no lock.
    return Effect.flatMap(names, (before) =>
      before.includes(name) === isListed ? Effect.void : lock.withLock(listed, Duration.seconds(10))(change)
    )
  }

  return {
    ensure: Effect.void,
    exists: Effect.succeed(true),
    read: (name) =>
      Effect.map(
        keep.get(name),
        Option.map((text) => ({ text }))
      ),
    replace: (name, text, check) =>
      Effect.flatMap(keep.get(name), (present) => check(Option.map(present, (text) => ({ text })))).pipe(
        // The name first: one that nothing lies under yet does no harm.
        Effect.zipRight(list(name, true)),
        Effect.zipRight(keep.set(name, text)),
        Effect.zipRight(PubSub.publish(written, name)),
        Effect.uninterruptible
      ),
    setAside: (name) =>
      Effect.flatMap(keep.get(name), (text) =>
        Option.isNone(text) ? Effect.void : keep.set(aside(name), text.value)
      ).pipe(
        Effect.zipRight(keep.remove(name)),
        Effect.zipRight(list(name, false)),
        Effect.as(aside(name)),
        Effect.uninterruptible
      ),
    remove: (name) =>
      keep
        .remove(name)
        .pipe(Effect.zipRight(keep.remove(aside(name))), Effect.zipRight(list(name, false)), Effect.uninterruptible),
    names,
    changes: Stream.fromPubSub(written)
  }
}

/** What those share who use the same thing in this process. */
export interface Shared {
  readonly lock: TextLock
  readonly written: PubSub.PubSub<string>
}

const all = new WeakMap<object, Shared>()

/** Turns, and news, among those who use the same thing. */
export const sharedBy = (thing: object): Shared => {
  const lockOf = Lock.keyed()
  const shared = all.get(thing) ?? {
    written: Effect.runSync(PubSub.sliding<string>(256)),
    lock: {
      withLock: (name, duration) => (effect) =>
        lockOf(name)(effect, {
          duration,
          onTimeout: (): Failure => ({
            reason: "LockTimeout",
            description: `somebody else in this process has held the lock for ${Duration.format(duration)}; try again later`
          })
        })
    }
  }
  all.set(thing, shared)
  return shared
}

/** A key-value store of the platform, with keys that every one of them accepts. */
export const keepIn = (store: KeyValueStore.KeyValueStore): Keep => {
  const key = (name: string) => `effect-credentials.${name}`
  // The error's own text can quote what was to be stored.
  const failing = <A>(effect: Effect.Effect<A, PlatformError.PlatformError>): Effect.Effect<A, Failure> =>
    Effect.mapError(effect, (error) => ({
      reason: "Unavailable",
      description: `the key-value store failed (${error._tag === "SystemError" ? error.reason : error._tag}); check what it stores in`
    }))
  return {
    get: (name) => failing(store.get(key(name))),
    set: (name, text) => failing(store.set(key(name), text)),
    // Some fail to remove what is not there.
    remove: (name) =>
      Effect.flatMap(failing(store.has(key(name))), (isThere) =>
        isThere ? failing(store.remove(key(name))) : Effect.void
      )
  }
}
