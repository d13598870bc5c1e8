/**
 * One at a time among all processes of a machine that share a directory. The lock ends with its holder, however that ends, and is never taken from one who
 * is merely stopped. Clocks, process numbers and times of files do not matter.
 *
 * **How** – who wants the lock listens on a socket of its own in the directory ({@link Lifeline}). Who had the lock is written down in generations: the
 * symbolic link `<name>.lock.<n>` names the socket of the n-th holder. The n-th generation holds the lock as long as this link is there and its socket
 * lives. Who lets go renames his link to `<name>.lock`, the head: that generation is over, and all before it are. For one who died his
 * follower does it: once a socket is dead the generation n + 1 is made, which only one can do. Nobody ever takes away what another may have.
 *
 * **Why there are never two** – who has made a generation k looks at the head once more. If that is before k, nobody ever made k before: a generation goes
 * away only by becoming the head, or when the head is beyond it, and the head never goes back. So each generation has one holder; it followed one
 * that had let go or was seen dead; and the dead stay dead, since no socket's name is used twice. Whoever finds the head at k or beyond was asleep
 * meanwhile, and starts again.
 *
 * @module
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Disk from "./disk.ts"
import * as Lifeline from "./lifeline.ts"
import * as Lock from "./lock.ts"
import * as Node from "./node.ts"
import { because } from "./privateFile.ts"

/** Why a lock was not taken, and what to do. */
export interface LockError {
  readonly _tag: "LockError"
  /** `LockTimeout`: others held it all the time. `Permissions`: the directory cannot be used. `Unavailable`: anything else. */
  readonly reason: "LockTimeout" | "Permissions" | "Unavailable"
  readonly description: string
}

/** The locks of one directory. */
export interface ProcessLock {
  /**
   * Runs an effect while no other process runs one under the same name, which must be good for a file. Waits no longer than the limit, which a lock that is free
   * does not need; the effect itself may take as long as it likes. Waiting can be interrupted. Within this process they take turns in order.
   */
  readonly withLock: (
    name: string,
    timeLimit: Duration.Duration
  ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | LockError, R>
}

/** What came of trying: the lock, somebody else to be watched, nothing that could be known, or that it has to be tried again. */
type Attempt =
  Held | { readonly _tag: "Taken"; readonly by: string; readonly watch: Lifeline.Watch } | "unclear" | "again"

interface Held {
  readonly _tag: "Held"
  readonly release: Effect.Effect<void>
}

/** A socket that this process listens on, and its name. */
interface Own {
  readonly socket: string
  readonly close: Effect.Effect<void>
}

/** A lock that somebody tries to take. Nothing of an attempt can be interrupted. */
interface Taking {
  readonly attempt: Effect.Effect<Attempt, Disk.Errno>
  /** Lets go of what failed attempts were made with. */
  readonly giveUp: Effect.Effect<void>
}

/** What a file system says that has no sockets or no symbolic links. Some of it may be said elsewhere, too. */
const lacking: ReadonlySet<Disk.Errno> = new Set([
  "EPERM",
  "EACCES",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
  "EINVAL",
  "EAFNOSUPPORT"
])

/** Where the system cannot say when somebody lets go, it is asked again. */
const pause = Effect.withClock(Effect.sleep("100 millis"), Clock.make())

/** The address of a socket has room for 104 bytes on some systems. */
const longestPath = 100

const optional = <A>(operation: Effect.Effect<A, Disk.Errno>): Effect.Effect<A | undefined, Disk.Errno> =>
  Effect.catchIf(
    operation,
    (errno) => errno === "ENOENT",
    () => Effect.succeed(undefined)
  )

/** What sockets do. */
export type Sockets = Pick<typeof Lifeline, "listen" | "watch">

/** Sockets in a directory. */
const sockets = (disk: Disk.Disk, directory: string, { listen, watch: connect }: Sockets) => {
  const within = (name: string) => disk.within(directory, name)

  /** Does something with a path to a name in the directory that is short enough for a socket: by a detour if the directory's is not. */
  const reaching = <A>(
    name: string,
    use: (path: string) => Effect.Effect<A, Disk.Errno>
  ): Effect.Effect<A, Disk.Errno> =>
    new TextEncoder().encode(within(name)).length <= longestPath
      ? use(within(name))
      : Effect.gen(function* () {
          const temporary = yield* Effect.mapError(Node.temporaryDirectory, (): Disk.Errno => "ENOSYS")
          const detour = disk.within(temporary, `ec-${yield* Disk.unusedName}`)
          const link = disk.within(detour, "d")
          if (new TextEncoder().encode(disk.within(link, name)).length > longestPath) {
            return yield* Effect.fail<Disk.Errno>("ENAMETOOLONG")
          }
          return yield* Effect.acquireUseRelease(
            Effect.zipRight(disk.makeDirectory(detour), Effect.exit(disk.symlink(directory, link))),
            (linked) => Effect.zipRight(linked, use(disk.within(link, name))),
            () => Effect.ignore(Effect.zipRight(Effect.ignore(disk.unlink(link)), disk.removeDirectory(detour)))
          )
        })

  /** The system's own list of sockets, where it has one, settles whether a refusal means that nobody is there. */
  const isListed = (socket: string): Effect.Effect<boolean> =>
    Effect.acquireUseRelease(
      disk.openToRead("/proc/net/unix"),
      (file) =>
        Effect.gen(function* () {
          const name = socket.slice(0, 16)
          let rest = ""
          while (true) {
            const bytes = yield* file.read(65_536)
            if (bytes.length === 0) return false
            rest = rest.slice(-16) + new TextDecoder().decode(bytes)
            if (rest.includes(name)) return true
          }
        }),
      (file) => Effect.ignore(file.close)
    ).pipe(Effect.orElseSucceed(() => false))

  const watch = (socket: string): Effect.Effect<Lifeline.Answer, Disk.Errno> =>
    Effect.gen(function* () {
      // Who has let go has taken the name away: nobody needs to be asked.
      if ((yield* optional(disk.stat(within(socket)))) === undefined) return "missing"
      const answer = yield* reaching(socket, connect)
      return answer === "refused" && (yield* isListed(socket)) ? "unclear" : answer
    })

  /**
   * Listens on a new socket. It is given its name when it lives: so whoever finds a socket refusing under such a name knows it dead for ever.
   * Under the name that it has before, it may be removed at any moment, and then another is made.
   */
  const openOnce: Effect.Effect<Own, Disk.Errno> = Effect.gen(function* () {
    const name = yield* Disk.unusedName
    const made = within(`${name}.new`)
    const socket = `${name}.sock`
    const lifeline = yield* reaching(`${name}.new`, listen)
    yield* Effect.gen(function* () {
      yield* disk.chmod(made, 0o600)
      if (disk.uid === 0) {
        const { gid, uid } = yield* disk.stat(directory)
        if (uid !== 0) yield* disk.chown(made, uid, gid)
      }
      yield* disk.rename(made, within(socket))
    }).pipe(Effect.tapError(() => Effect.zipRight(lifeline.close, Effect.ignore(disk.unlink(made)))))
    return {
      socket,
      // Once the name is gone nobody needs to ask anybody.
      close: Effect.zipRight(Effect.ignore(disk.unlink(within(socket))), lifeline.close)
    }
  })

  /** Somebody may have cleared away what had no name yet. */
  const open = (again = 3): Effect.Effect<Own, Disk.Errno> =>
    Effect.catchIf(
      openOnce,
      (errno) => errno === "ENOENT" && again > 0,
      () => open(again - 1)
    )

  const close = (answer: Lifeline.Answer) => (typeof answer === "string" ? Effect.void : answer.close)

  /** Removes the sockets of processes that were killed. */
  const sweep = (names: ReadonlyArray<string>): Effect.Effect<void> =>
    Effect.forEach(
      names.filter((name) => /^[0-9a-f]{16}\.(sock|new)$/.test(name)),
      (name) =>
        Effect.flatMap(watch(name), (answer) =>
          answer === "refused" || answer === "missing" ? disk.unlink(within(name)) : close(answer)
        ).pipe(Effect.ignore),
      { discard: true }
    )

  return { open, watch, sweep }
}

/** Generations of holders in a directory. */
export const ledger = (
  disk: Disk.Disk,
  directory: string,
  by: Sockets = Lifeline
): ((name: string) => Effect.Effect<Taking>) => {
  const { open, sweep, watch } = sockets(disk, directory, by)
  let isSwept = false

  return (name) =>
    Effect.sync(() => {
      const within = (name: string) => disk.within(directory, name)
      const headLink = within(`${name}.lock`)
      const link = (generation: number) => within(`${name}.lock.${generation}`)
      const entry = (generation: number, socket: string) => `${socket}.${generation}`

      /** What a link says. One that says anything else is none that a holder made. */
      const entryAt = (
        link: string
      ): Effect.Effect<{ readonly generation: number; readonly socket: string } | undefined, Disk.Errno> =>
        Effect.matchEffect(disk.readLink(link), {
          onSuccess: (target) => {
            const [, socket, generation] = /^([0-9a-f]{16}\.sock)\.([1-9]\d{0,14})$/.exec(target) ?? []
            return socket === undefined || generation === undefined
              ? Effect.fail("EUNKNOWN")
              : Effect.succeed({ generation: Number(generation), socket })
          },
          onFailure: (errno) =>
            errno === "ENOENT" ? Effect.succeed(undefined) : Effect.fail(errno === "EINVAL" ? "EUNKNOWN" : errno)
        })
      const head = Effect.map(entryAt(headLink), (entry) => entry?.generation ?? 0)

      /** The youngest generation there seems to be, and its socket unless it is over. */
      const look: Effect.Effect<{ readonly generation: number; readonly holder: string | undefined }, Disk.Errno> =
        Effect.gen(function* () {
          let generation = yield* head
          let holder: string | undefined
          while (true) {
            const following = link(generation + 1)
            // There is none most often, and to look whether there is is quicker than to fail to read it.
            if ((yield* optional(disk.stat(following))) === undefined) return { generation, holder }
            const next = yield* entryAt(following)
            if (next === undefined) return { generation, holder }
            if (next.generation !== ++generation) return yield* Effect.fail("EUNKNOWN")
            holder = next.socket
          }
        })

      const end = (generation: number) => disk.rename(link(generation), headLink)

      /** What is left of those who died. Once is enough: whoever starts clears up. */
      const clear = (generation: number) =>
        Effect.suspend(() => {
          if (isSwept) return Effect.void
          isSwept = true
          return Effect.flatMap(disk.names(directory), (names) => {
            const mine = `${name}.lock.`
            const old = names.filter((other) => other.startsWith(mine) && Number(other.slice(mine.length)) < generation)
            const remove = Effect.forEach(old, (other) => Effect.ignore(disk.unlink(within(other))), { discard: true })
            return Effect.zipRight(remove, sweep(names))
          })
        })

      let own: Own | undefined
      const giveUp = Effect.suspend(() => {
        const close = own?.close ?? Effect.void
        own = undefined
        return close
      })

      const attempt: Effect.Effect<Attempt, Disk.Errno> = Effect.gen(function* () {
        const { generation, holder } = yield* look
        if (holder !== undefined) {
          const answer = yield* watch(holder)
          if (typeof answer !== "string") return { _tag: "Taken", by: holder, watch: answer } as const
          if (answer === "unclear") return answer
        }
        own ??= yield* open()
        const mine = generation + 1
        const isMade = yield* Effect.catchIf(
          Effect.as(disk.symlink(entry(mine, own.socket), link(mine)), true),
          (errno) => errno === "EEXIST",
          () => Effect.succeed(false)
        )
        if (!isMade) return "again"
        if ((yield* head) >= mine) {
          yield* Effect.ignore(disk.unlink(link(mine)))
          // Somebody may have seen it.
          yield* giveUp
          return "again"
        }
        const held: Held = { _tag: "Held", release: Effect.zipRight(Effect.ignore(end(mine)), giveUp) }
        if (holder !== undefined) {
          const ended = yield* Effect.either(end(generation))
          if (Either.isLeft(ended)) {
            if (ended.left !== "ENOENT") return held
            // It let go after all; or somebody who knows nothing of locks removed it, and who looks there now finds nobody.
            yield* held.release
            return "again"
          }
          yield* Effect.ignore(disk.unlink(within(holder)))
        }
        yield* Effect.ignore(clear(mine))
        return held
      })

      return { attempt, giveUp }
    })
}

/** Where sockets have names that end with their process: who listens under the lock's own name holds it. */
export const exclusive = (address: string): Taking => ({
  attempt: Effect.catchIf(
    Effect.map(Lifeline.listen(address), ({ close }): Attempt => ({ _tag: "Held", release: close })),
    (errno) => errno === "EADDRINUSE" || errno === "EACCES",
    () =>
      Effect.map(Lifeline.watch(address), (answer): Attempt =>
        typeof answer !== "string"
          ? { _tag: "Taken", by: address, watch: answer }
          : answer === "missing"
            ? "again"
            : "unclear"
      )
  ),
  giveUp: Effect.void
})

/** Tries until the lock is taken. */
const take = (
  taking: Taking,
  restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>,
  within: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | LockError>
): Effect.Effect<Held, Disk.Errno | LockError> =>
  Effect.gen(function* () {
    let before: string | undefined
    while (true) {
      const attempt = yield* taking.attempt
      if (attempt === "again") yield* restore(Effect.yieldNow())
      else if (attempt === "unclear") yield* restore(within(pause))
      else if (attempt._tag === "Held") return attempt
      else {
        yield* Effect.ensuring(restore(within(attempt.watch.ended)), attempt.watch.close)
        // Nobody ends twice: this one has too many watching.
        if (before === attempt.by) yield* restore(within(pause))
        before = attempt.by
      }
    }
  })

/** All that is left where sockets say nothing: one at a time in this process. */
const here = Lock.keyed()

/** The locks of a directory that is there and private, on a disk. */
export const makeOn = (
  disk: Disk.Disk,
  directory: string,
  taking: (name: string) => Effect.Effect<Taking> = Node.platform() === "win32"
    ? (name) => Effect.map(pipeOf(directory, name), exclusive)
    : ledger(disk, directory)
): ProcessLock => {
  const queue = Lock.keyed()
  let isAlone = false
  let isJudged = false

  const error = (errno: Disk.Errno): LockError => {
    const { description, reason } = because(directory)(errno)
    return { _tag: "LockError", reason: reason === "Permissions" ? reason : "Unavailable", description }
  }

  const alone = Effect.suspend(() => {
    const isNew = !isAlone
    isAlone = true
    return isNew
      ? Effect.logWarning(
          `${directory} is on a file system where processes cannot lock each other out: a token is renewed once per process, and what another process wrote meanwhile is never overwritten; choose a directory on a local disk`
        )
      : Effect.void
  })

  /** Once: whether another machine may be using the directory. */
  const judge: Effect.Effect<void> = Effect.suspend(() => {
    if (isJudged) return Effect.void
    isJudged = true
    return Effect.flatMap(Disk.isShared(disk, directory), (isShared) => (isShared ? alone : Effect.void))
  })

  /** If a plain file can be made where the attempt failed, it is the file system that lacks something. */
  const diagnose = (errno: Disk.Errno): Effect.Effect<void, LockError> =>
    Effect.gen(function* () {
      if (!lacking.has(errno)) return yield* Effect.fail(errno)
      const plain = disk.within(directory, `${yield* Disk.unusedName}.new`)
      yield* Effect.flatMap(disk.create(plain), (file) => file.close)
      yield* Effect.ignore(disk.unlink(plain))
      yield* alone
    }).pipe(Effect.mapError(error))

  return {
    withLock: (name, timeLimit) => {
      const onTimeout = (): LockError => ({
        _tag: "LockError",
        reason: "LockTimeout",
        description: `somebody else has held the lock for ${Duration.format(timeLimit)}; try again later, or look for a program that hangs`
      })
      const limit = { duration: timeLimit, onTimeout }
      return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LockError, R> => {
        const inProcess = here(`${directory}\u0000${name}`)(effect, limit)
        return Effect.clockWith((clock) => {
          const end =
            clock.unsafeCurrentTimeNanos() + (Duration.isFinite(timeLimit) ? Duration.unsafeToNanos(timeLimit) : 0n)
          const within = <A, E>(waiting: Effect.Effect<A, E>): Effect.Effect<A, E | LockError> => {
            if (!Duration.isFinite(timeLimit)) return waiting
            const left = end - clock.unsafeCurrentTimeNanos()
            return Effect.timeoutFail(waiting, { ...limit, duration: Duration.nanos(left > 0n ? left : 0n) })
          }
          const amongAll = Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(judge, () =>
              isAlone
                ? restore(inProcess)
                : Effect.flatMap(taking(name), (trying) =>
                    Effect.matchCauseEffect(take(trying, restore, within), {
                      onSuccess: ({ release }) => Effect.ensuring(restore(effect), release),
                      onFailure: (cause) =>
                        Effect.zipRight(trying.giveUp, Effect.failCause(cause)).pipe(
                          Effect.catchIf(
                            (error): error is Disk.Errno => typeof error === "string",
                            (errno) => Effect.zipRight(diagnose(errno), restore(inProcess))
                          )
                        )
                    })
                  )
            )
          )
          return queue(name)(amongAll, limit)
        })
      }
    }
  }
}

/** Named pipes end with their process and are open to this machine only. */
const pipeOf = (directory: string, name: string): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() =>
      crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${directory.toLowerCase()}\n${name}`))
    ),
    (hash) => `\\\\.\\pipe\\effect-credentials-${Encoding.encodeHex(new Uint8Array(hash, 0, 16))}`
  )

/** The locks of a directory, which must be there, and private, when one is used. */
export const make = (directory: string): Effect.Effect<ProcessLock, LockError> =>
  Effect.mapBoth(Disk.of(directory, "links"), {
    onSuccess: (disk) => makeOn(disk, directory),
    onFailure: (description): LockError => ({ _tag: "LockError", reason: "Unavailable", description })
  })
