/**
 * A token store in a file of another program's, which goes on using it: what that program has put there stays, and so does its form.
 *
 * @module
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { merged } from "./merged.ts"
import type { Failure, SharedFile } from "./sharedFile.ts"

/** How the other program writes. A text that is none of its own is a description of what is wrong with it. */
export interface Format<A> {
  /** The token under a key. `now` is for what does not say when it was issued. */
  readonly read: (text: string, key: string, now: DateTime.Utc) => Either.Either<Option.Option<A>, string>
  /** The text with another token, or none, under a key; none if nothing is left that is worth a file. */
  readonly write: (
    text: Option.Option<string>,
    key: string,
    token: Option.Option<A>
  ) => Either.Either<Option.Option<string>, string>
  /** Everything that holds a token. */
  readonly keys: (text: string) => Either.Either<ReadonlyArray<string>, string>
  readonly isSame: (one: A, other: A) => boolean
  /** Whether a file that is no good is given another name when somebody wants to write, so that he can. Otherwise it stays and nothing is written. */
  readonly setsAside: boolean
}

/** How often the file is looked at where nobody says that it has changed. */
const lookEvery = "5 seconds"

export const make = <A, E>(
  file: SharedFile,
  format: Format<A>,
  error: (operation: "get" | "remove" | "list" | "transaction", key: string, failure: Failure) => E
) => {
  const corrupt = (description: string): Failure => ({
    reason: "Corrupt",
    description: `${file.path}: ${description}; look at it, mend it or move it away`
  })
  const decoded = <B>(result: Either.Either<B, string>): Effect.Effect<B, Failure> => Either.mapLeft(result, corrupt)
  const tokenIn = (text: Option.Option<string>, key: string) =>
    Option.match(text, {
      onNone: () => Effect.succeed(Option.none<A>()),
      onSome: (text) => Effect.flatMap(DateTime.now, (now) => decoded(format.read(text, key, now)))
    })
  const get = (key: string) => Effect.flatMap(file.read, (text) => tokenIn(text, key))
  const failing =
    (operation: "get" | "remove" | "list" | "transaction", key: string) =>
    (failure: Failure): E =>
      error(operation, key, failure)

  const transaction = <E2, R>(
    key: string,
    f: (stored: Option.Option<A>) => Effect.Effect<Option.Option<A>, E2, R>,
    operation: "remove" | "transaction" = "transaction"
  ): Effect.Effect<Option.Option<A>, E | E2, R> => {
    const failed = Effect.mapError(failing(operation, key))
    const whole = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        let text = yield* failed(file.read)
        const stored = yield* Effect.catchIf(
          failed(tokenIn(text, key)),
          () => format.setsAside,
          () =>
            failed(
              Effect.flatMap(file.setAside, (aside) => {
                text = Option.none()
                return Effect.as(
                  Effect.logWarning(`${file.path} could not be read and was set aside as ${aside}`),
                  Option.none<A>()
                )
              })
            )
        )
        const after = yield* restore(f(stored))
        const isUnchanged =
          Option.isNone(stored) || Option.isNone(after)
            ? Option.isNone(stored) && Option.isNone(after)
            : format.isSame(stored.value, after.value)
        if (isUnchanged) return after
        yield* failed(Effect.flatMap(decoded(format.write(text, key, after)), (written) => file.replace(text, written)))
        return after
      })
    )
    return Effect.either(whole).pipe(file.locked, Effect.mapError(failing(operation, key)), Effect.flatten)
  }

  return {
    get: (key: string): Effect.Effect<Option.Option<A>, E> => Effect.mapError(get(key), failing("get", key)),
    remove: (key: string): Effect.Effect<void, E> =>
      // Where there is nothing to remove no directory is made.
      Effect.flatMap(Effect.mapError(file.hasDirectory, failing("remove", key)), (isThere) =>
        isThere ? Effect.asVoid(transaction(key, () => Effect.succeedNone, "remove")) : Effect.void
      ),
    list: Effect.flatMap(
      file.read,
      Option.match({ onNone: () => Effect.succeed([]), onSome: (text) => decoded(format.keys(text)) })
    ).pipe(Effect.mapError(failing("list", ""))) as Effect.Effect<ReadonlyArray<string>, E>,
    transaction: <E2, R>(
      key: string,
      f: (stored: Option.Option<A>) => Effect.Effect<Option.Option<A>, E2, R>
    ): Effect.Effect<Option.Option<A>, E | E2, R> => transaction(key, f),
    changes: (key: string): Stream.Stream<A> => {
      const looks = merged<unknown, never>(
        Stream.catchAll(file.changes, () => Stream.empty),
        Stream.fromSchedule(Schedule.spaced(lookEvery))
      )
      const none: Option.Option<A> = Option.none()
      const now = Effect.orElseSucceed(get(key), () => none)
      return Stream.unwrap(
        Effect.zipWith(now, Effect.option(file.stamp), (first, stamp) =>
          looks.pipe(
            Stream.mapEffect(() => Effect.option(file.stamp)),
            Stream.mapAccum(Option.flatten(stamp), (before, after) => [
              Option.flatten(after),
              Option.getOrUndefined(before) !== Option.getOrUndefined(Option.flatten(after))
            ]),
            Stream.filter((hasChanged) => hasChanged),
            Stream.mapEffect(() => now),
            Stream.mapAccum(first, (before, after) => [
              after,
              Option.isSome(after) && !Option.exists(before, (before) => format.isSame(before, after.value))
                ? after
                : none
            ]),
            Stream.filterMap((token) => token)
          )
        )
      )
    }
  }
}
