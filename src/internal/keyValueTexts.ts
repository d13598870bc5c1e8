/**
 * Texts in any key-value store of the platform, which promises nothing but to keep them: no locks, no order, no list of keys. The list is one more text.
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

/** What those share who use the same key-value store in this process. */
interface Shared {
  readonly lockOf: (name: string) => Lock.Lock
  readonly listLock: Lock.Lock
  readonly written: PubSub.PubSub<string>
}

const all = new WeakMap<KeyValueStore.KeyValueStore, Shared>()

const sharedOf = (store: KeyValueStore.KeyValueStore): Shared => {
  const shared = all.get(store) ?? {
    lockOf: Lock.keyed(),
    listLock: Lock.make(),
    written: Effect.runSync(PubSub.sliding<string>(256))
  }
  all.set(store, shared)
  return shared
}

/** The error's own text can quote what was to be stored. */
const unavailable = (error: PlatformError.PlatformError): Failure => ({
  reason: "Unavailable",
  description: `the key-value store failed (${error._tag === "SystemError" ? error.reason : error._tag}); check what it stores in`
})

const lockIn = ({ lockOf }: Shared): TextLock => ({
  withLock: (name, duration) => (effect) =>
    lockOf(name)(effect, {
      duration,
      onTimeout: (): Failure => ({
        reason: "LockTimeout",
        description: `somebody else in this process has held the lock for ${Duration.format(duration)}; try again later`
      })
    })
})

const textsIn = (store: KeyValueStore.KeyValueStore, { listLock, written }: Shared): Texts => {
  const key = (name: string) => `effect-credentials.${name}`
  const aside = (name: string) => `${key(name)}.corrupt`
  const listed = "effect-credentials.names"
  const failing = <A>(effect: Effect.Effect<A, PlatformError.PlatformError>): Effect.Effect<A, Failure> =>
    Effect.uninterruptible(Effect.mapError(effect, unavailable))

  const get = (name: string): Effect.Effect<Option.Option<string>, Failure> => failing(store.get(key(name)))

  /** Some stores fail to remove what is not there. */
  const gone = (key: string): Effect.Effect<void, Failure> =>
    Effect.flatMap(failing(store.has(key)), (isThere) => (isThere ? failing(store.remove(key)) : Effect.void))

  const names = Effect.map(failing(store.get(listed)), (text) =>
    Option.getOrElse(text, () => "")
      .split("\n")
      .filter((name) => name !== "")
  )

  const changeList = (change: (names: Set<string>) => boolean): Effect.Effect<void, Failure> =>
    listLock(
      Effect.flatMap(names, (names) => {
        const changed = new Set(names)
        return change(changed) ? Effect.asVoid(failing(store.set(listed, Array.from(changed).join("\n")))) : Effect.void
      })
    )
  const forget = (name: string) => changeList((names) => names.delete(name))

  return {
    ensure: Effect.void,
    exists: Effect.succeed(true),
    read: (name) =>
      Effect.map(
        get(name),
        Option.map((text) => ({ text, stamp: text }))
      ),
    stamp: get,
    replace: (name, text, check) =>
      Effect.flatMap(get(name), (present) => check(Option.map(present, (text) => ({ text })))).pipe(
        // The name first: one that nothing lies under yet does no harm.
        Effect.zipRight(changeList((names) => !names.has(name) && names.add(name).has(name))),
        Effect.zipRight(failing(store.set(key(name), text))),
        Effect.zipRight(PubSub.publish(written, name)),
        Effect.uninterruptible
      ),
    setAside: (name) =>
      Effect.flatMap(get(name), (text) =>
        Option.isNone(text) ? Effect.void : failing(store.set(aside(name), text.value))
      ).pipe(
        Effect.zipRight(gone(key(name))),
        Effect.zipRight(forget(name)),
        Effect.as(aside(name)),
        Effect.uninterruptible
      ),
    remove: (name) =>
      gone(key(name)).pipe(Effect.zipRight(gone(aside(name))), Effect.zipRight(forget(name)), Effect.uninterruptible),
    names,
    changes: Stream.fromPubSub(written)
  }
}

/** The texts, and turns among those who use the same key-value store in this process. */
export const make = (store: KeyValueStore.KeyValueStore): { readonly texts: Texts; readonly lock: TextLock } => {
  const shared = sharedOf(store)
  return { texts: textsIn(store, shared), lock: lockIn(shared) }
}
