/**
 * Files that nobody else can read, each always whole: the old content or the new one, whenever the power fails. They lie in one directory that
 * belongs to who runs the program. Whoever changes a file holds its lock; reading needs none.
 *
 * @module
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { unusedName, type Disk, type Errno, type File, type Stat } from "./disk.ts"

/** What is wrong with a file: where, and what to do. Never what is in it. */
export interface FileError {
  readonly _tag: "FileError"
  /** `Corrupt`: it cannot be read as text. `Permissions`: not ours to read or to write. `Unavailable`: anything else. */
  readonly reason: "Corrupt" | "Permissions" | "Unavailable"
  readonly description: string
}

/** A file that was read. */
export interface Snapshot {
  readonly text: string
  /** Another one whenever somebody else's text is there. */
  readonly stamp: string
}

/** What to do with a directory or a file that others may read: make it private, or refuse it. What others may write to is always refused. */
export type Permissions = "repair" | "refuse"

/** The private files of one directory. Nothing can be interrupted half-way. */
export interface PrivateFiles {
  readonly path: string
  /** Makes the directory, and those that it is in, unless it is there. */
  readonly ensure: Effect.Effect<void, FileError>
  /** Whether the directory is there. */
  readonly exists: Effect.Effect<boolean, FileError>
  /** What a file holds; none if there is no such file. */
  readonly read: (name: string) => Effect.Effect<Option.Option<Snapshot>, FileError>
  /** Says without reading whether a file is another one than before; none if there is no such file. */
  readonly stamp: (name: string) => Effect.Effect<Option.Option<string>, FileError>
  /**
   * Puts a text in the place of what a file holds. If nobody checks that, only if it is another text; true: it was. `check` sees what is there in the last
   * moment, when everything else is done, and fails to keep it.
   */
  readonly replace: <E = never>(
    name: string,
    text: string,
    check?: (present: Option.Option<Snapshot>) => Effect.Effect<void, E>
  ) => Effect.Effect<boolean, FileError | E>
  /** Gives a file that is no good another name, to be looked at: three of them are kept. Returns that name. */
  readonly setAside: (name: string) => Effect.Effect<string, FileError>
  /** Removes a file, what was set aside of it and what a killed process left of it. Nothing there is fine. */
  readonly remove: (name: string) => Effect.Effect<void, FileError>
  /** The names of all files, without what was set aside or left. */
  readonly names: Effect.Effect<ReadonlyArray<string>, FileError>
  /** The names of files that something happened to, while the directory can be watched; undefined: some file. */
  readonly changes: Stream.Stream<string | undefined, FileError>
}

/** A longer file is none of ours, and is not read. */
export const longest = 1_048_576

/** How many unusable files of one name are kept. */
const keptAside = 3

/** Nobody takes this long, in milliseconds, to write a file: what is older was left by a process that died. */
const orphanedAfter = 60_000

const asideOf = /^(.+)\.corrupt-(\d{1,15})$/
const temporaryOf = /^\.(.+)\.[0-9a-f]{16}\.tmp$/

const fail = (reason: FileError["reason"], description: string): Effect.Effect<never, FileError> =>
  Effect.fail({ _tag: "FileError", reason, description })

const causes: Readonly<Record<Errno, readonly [reason: FileError["reason"], what: string]>> = {
  EACCES: ["Permissions", "it may not be read or written; let this user do so, or choose another directory"],
  EPERM: ["Permissions", "it may not be changed; let this user do so, or choose another directory"],
  ENOTCAPABLE: ["Permissions", "the program may not touch it: run it with Deno's --allow-read and --allow-write"],
  EROFS: ["Permissions", "the file system is read-only; choose another directory"],
  ELOOP: ["Permissions", "it is a symbolic link, which is not followed; put a file or directory in its place"],
  ENOTDIR: ["Unavailable", "what should be a directory is none; choose another path"],
  ENAMETOOLONG: ["Unavailable", "the path is too long; choose a shorter one"],
  ENOSPC: ["Unavailable", "the disk is full; make room"],
  EDQUOT: ["Unavailable", "the disk quota is used up; make room"],
  EFBIG: ["Unavailable", "a limit on the size of files forbids it; raise it"],
  EMFILE: ["Unavailable", "this process has too many files open; close some, or raise the limit"],
  ENFILE: ["Unavailable", "the system has too many files open; close some"],
  EIO: ["Unavailable", "the disk failed; look at the disk"]
}

/** What an operation that failed means for who wanted it. */
export const because =
  (path: string) =>
  (errno: Errno): FileError => {
    const [reason, what] =
      causes[errno] ?? (["Unavailable", "the system refused; try again or choose another directory"] as const)
    return { _tag: "FileError", reason, description: `${errno} on ${path}: ${what}` }
  }

/** Fails only if opening, using or closing does: what was written may be lost as late as when it is closed. */
const using = <A, E>(
  open: Effect.Effect<File, Errno>,
  use: (file: File) => Effect.Effect<A, E>
): Effect.Effect<A, E | Errno> =>
  Effect.flatMap(open, (file) =>
    Effect.matchCauseEffect(use(file), {
      onSuccess: (used) => Effect.as(file.close, used),
      onFailure: (cause) => Effect.zipRight(Effect.ignore(file.close), Effect.failCause(cause))
    })
  )

/** The times of files are those of the machine, and so are its pauses: what a program thinks the time is does not matter. */
const live = Clock.make()

/** The private files of a directory, which is made when the first one is written. */
export const make = (disk: Disk, path: string, permissions: Permissions = "repair"): PrivateFiles => {
  const within = (name: string) => disk.within(path, name)
  const isPosix = disk.uid !== undefined

  /** Whose directory it is, once that is clear. Root may use another user's, and leaves everything there to that user. */
  const judgeDirectory = (stat: Stat): Effect.Effect<Stat, FileError> => {
    if (stat.kind === "link") return Effect.fail(because(path)("ELOOP"))
    if (stat.kind !== "directory") return Effect.fail(because(path)("ENOTDIR"))
    if (!isPosix) return Effect.succeed(stat)
    if (stat.uid !== disk.uid && disk.uid !== 0) {
      return fail("Permissions", `${path} belongs to user ${stat.uid}, not to ${disk.uid}; choose another directory`)
    }
    if ((stat.mode & 0o022) !== 0) {
      return fail("Permissions", `others can write to ${path}; look what is in it, then make it private (chmod 700)`)
    }
    if ((stat.mode & 0o077) !== 0 && permissions === "refuse") {
      return fail("Permissions", `others can read ${path}; make it private (chmod 700)`)
    }
    return Effect.succeed(stat)
  }

  const inDirectory = Effect.mapError(because(path))

  /** The directory, fit for secrets; undefined if there is none. */
  const found: Effect.Effect<Stat | undefined, FileError> = Effect.matchEffect(disk.stat(path), {
    onSuccess: (stat) =>
      Effect.flatMap(judgeDirectory(stat), (stat) =>
        !isPosix || (stat.mode & 0o077) === 0
          ? Effect.succeed(stat)
          : using(disk.openDirectory(path), (directory) =>
              Effect.tap(Effect.flatMap(directory.stat, judgeDirectory), directory.chmod(0o700))
            ).pipe(Effect.mapError((error) => (typeof error === "string" ? because(path)(error) : error)))
      ),
    onFailure: (errno) => (errno === "ENOENT" ? Effect.succeed(undefined) : Effect.fail(because(path)(errno)))
  })

  const sync = (directory: File): Effect.Effect<void, Errno> =>
    Effect.catchIf(
      directory.sync,
      // Some file systems have nothing to make durable there.
      (errno) => errno === "EINVAL" || errno === "ENOTSUP" || errno === "EPERM",
      () => Effect.void
    )

  const makeDirectory = (path: string): Effect.Effect<void, Errno> => {
    const parent = disk.parentOf(path)
    const made = Effect.gen(function* () {
      yield* disk.makeDirectory(path)
      const { gid, uid } = yield* disk.stat(parent)
      if (disk.uid === 0 && uid !== 0) yield* disk.chown(path, uid, gid)
      if (disk.opensDirectories) yield* Effect.ignore(using(disk.openDirectory(parent), sync))
    })
    return Effect.catchAll(made, (errno) =>
      errno === "EEXIST"
        ? Effect.void
        : errno === "ENOENT" && parent !== path
          ? Effect.zipRight(makeDirectory(parent), made)
          : Effect.fail(errno)
    )
  }

  const ready: Effect.Effect<Stat, FileError> = Effect.flatMap(found, (stat) =>
    stat !== undefined
      ? Effect.succeed(stat)
      : Effect.zipRight(inDirectory(makeDirectory(path)), found).pipe(
          Effect.flatMap((stat) => (stat === undefined ? Effect.fail(because(path)("ENOENT")) : Effect.succeed(stat)))
        )
  )

  const isOurs = (file: Stat, directory: Stat): boolean =>
    !isPosix || file.uid === disk.uid || file.uid === directory.uid

  const stampOf = (stat: Stat): string => `${stat.inode}:${stat.size}:${stat.mtime}`

  const readFrom = (file: File, where: string, directory: Stat): Effect.Effect<Snapshot, FileError | Errno> =>
    Effect.gen(function* () {
      const stat = yield* file.stat
      if (stat.kind !== "file") return yield* fail("Corrupt", `${where} is no file`)
      if (!isOurs(stat, directory)) {
        return yield* fail(
          "Permissions",
          `${where} belongs to user ${stat.uid}; it is left alone, choose another directory`
        )
      }
      if (isPosix && (stat.mode & 0o077) !== 0) {
        if (permissions === "refuse") {
          return yield* fail("Permissions", `others can read ${where}; make it private (chmod 600)`)
        }
        yield* file.chmod(0o600)
      }
      // One byte more than there should be: a file that is just being made longer is found out.
      const bytes = stat.size > longest ? undefined : yield* file.read(stat.size + 1)
      if (bytes === undefined || bytes.length > longest) {
        return yield* fail("Corrupt", `${where} is longer than a mebibyte`)
      }
      const text = yield* Effect.try({
        try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
        catch: (): FileError => ({ _tag: "FileError", reason: "Corrupt", description: `${where} is no UTF-8` })
      })
      return { text, stamp: stampOf(stat) }
    })

  /** None if there is no such file. */
  const orNone = <A>(
    where: string,
    effect: Effect.Effect<A, FileError | Errno>
  ): Effect.Effect<Option.Option<A>, FileError> =>
    Effect.catchAll(Effect.asSome(effect), (error) =>
      error === "ENOENT" ? Effect.succeedNone : Effect.fail(typeof error === "string" ? because(where)(error) : error)
    )

  const readIn = (name: string, directory: Stat) => {
    const where = within(name)
    return orNone(
      where,
      using(disk.openToRead(where), (file) => readFrom(file, where, directory))
    )
  }

  const read = (name: string): Effect.Effect<Option.Option<Snapshot>, FileError> =>
    Effect.flatMap(found, (directory) => (directory === undefined ? Effect.succeedNone : readIn(name, directory)))

  const allNames: Effect.Effect<ReadonlyArray<string>, FileError> = Effect.flatMap(found, (directory) =>
    directory === undefined ? Effect.succeed([]) : inDirectory(disk.names(path))
  )

  const unlink = (name: string): Effect.Effect<void, Errno> =>
    Effect.catchIf(
      disk.unlink(within(name)),
      (errno) => errno === "ENOENT",
      () => Effect.void
    )

  /** Once is enough: whoever starts clears up after those who were killed. */
  let isSwept = false
  const sweep = Effect.suspend(() => {
    if (isSwept) return Effect.void
    isSwept = true
    return Effect.flatMap(Effect.all([allNames, live.currentTimeMillis]), ([names, now]) =>
      Effect.forEach(
        names.filter((name) => temporaryOf.test(name)),
        (name) =>
          Effect.flatMap(disk.stat(within(name)), (stat) =>
            stat.kind !== "directory" && now - stat.mtime > orphanedAfter ? unlink(name) : Effect.void
          ).pipe(Effect.ignore),
        { discard: true }
      )
    ).pipe(Effect.ignore)
  })

  /** Whose a file is to be: whose it was, if that is one of ours. */
  const ownerOf = (name: string, directory: Stat): Effect.Effect<Stat, FileError> =>
    Effect.map(
      orNone(within(name), disk.stat(within(name))),
      Option.match({ onNone: () => directory, onSome: (file) => (isOurs(file, directory) ? file : directory) })
    )

  const write = (temporary: string, bytes: Uint8Array, owner: Stat | undefined) =>
    using(disk.create(temporary), (file) =>
      Effect.gen(function* () {
        yield* file.chmod(0o600)
        if (owner !== undefined && owner.uid !== disk.uid) yield* file.chown(owner.uid, owner.gid)
        yield* file.write(bytes)
        yield* file.sync
      })
    )

  /** On Windows somebody who reads the file, a virus scanner for one, may be in the way for a moment. */
  const rename = (from: string, to: string): Effect.Effect<void, Errno> => {
    const isInTheWay = (errno: Errno) => errno === "EPERM" || errno === "EBUSY"
    const once = disk.rename(from, to)
    return Effect.catchIf(once, isInTheWay, () =>
      Effect.retry(Effect.delay(once, "50 millis"), { while: isInTheWay, times: 19 }).pipe(Effect.withClock(live))
    )
  }

  const replace: PrivateFiles["replace"] = (name, text, check) =>
    Effect.gen(function* () {
      const bytes = new TextEncoder().encode(text)
      if (bytes.length > longest) {
        return yield* fail("Unavailable", `what is to be written to ${within(name)} is longer than a mebibyte`)
      }
      const directory = yield* ready
      if (check === undefined) {
        const present = yield* readIn(name, directory)
        if (Option.exists(present, (snapshot) => snapshot.text === text)) return false
      }
      yield* sweep
      const where = within(name)
      const temporary = within(`.${name}.${yield* unusedName}.tmp`)
      const owner = disk.uid === 0 ? yield* ownerOf(name, directory) : undefined
      const commit = (afterwards: Effect.Effect<void, Errno>) =>
        write(temporary, bytes, owner).pipe(
          Effect.zipRight(check === undefined ? Effect.void : Effect.flatMap(readIn(name, directory), check)),
          Effect.zipRight(rename(temporary, where)),
          Effect.tapErrorCause(() => Effect.ignore(disk.unlink(temporary))),
          Effect.zipRight(afterwards)
        )
      yield* Effect.mapError(
        disk.opensDirectories ? using(disk.openDirectory(path), (opened) => commit(sync(opened))) : commit(Effect.void),
        (error) => (typeof error === "string" ? because(where)(error) : error)
      )
      return true
    }).pipe(Effect.uninterruptible)

  const setAside: PrivateFiles["setAside"] = (name) =>
    Effect.gen(function* () {
      const aside = (yield* allNames)
        .flatMap((other) => {
          const match = asideOf.exec(other)
          return match !== null && match[1] === name ? [Number(match[2])] : []
        })
        .sort((a, b) => a - b)
      const named = (n: number) => `${name}.corrupt-${n}`
      const target = named((aside.at(-1) ?? 0) + 1)
      const inPlace = Effect.mapError(because(within(name)))
      // What is no file cannot be made private, but lies in a private directory.
      yield* Effect.ignore(
        using(disk.openToRead(within(name)), (file) =>
          Effect.flatMap(file.stat, ({ kind }) => (kind === "file" ? file.chmod(0o600) : Effect.void))
        )
      )
      yield* inPlace(disk.rename(within(name), within(target)))
      const tooMany = aside.slice(0, Math.max(0, aside.length + 1 - keptAside))
      yield* Effect.forEach(tooMany, (n) => Effect.ignore(unlink(named(n))), { discard: true })
      return target
    }).pipe(Effect.uninterruptible)

  const remove: PrivateFiles["remove"] = (name) =>
    Effect.gen(function* () {
      const isOfIt = (other: string) =>
        other === name || asideOf.exec(other)?.[1] === name || temporaryOf.exec(other)?.[1] === name
      const names = (yield* allNames).filter(isOfIt)
      if (names.length === 0) return
      yield* Effect.forEach(names, (other) => Effect.mapError(removal(other), because(within(other))), {
        discard: true
      })
      if (disk.opensDirectories) yield* inDirectory(using(disk.openDirectory(path), sync))
    }).pipe(Effect.uninterruptible)

  /** An empty directory may have been in the place of a file. */
  const removal = (name: string): Effect.Effect<void, Errno> =>
    Effect.catchIf(
      unlink(name),
      (errno) => errno === "EISDIR" || errno === "EPERM",
      (errno) => Effect.mapError(disk.removeDirectory(within(name)), () => errno)
    )

  return {
    path,
    ensure: Effect.uninterruptible(Effect.asVoid(ready)),
    exists: Effect.map(found, (stat) => stat !== undefined),
    read: (name) => Effect.uninterruptible(read(name)),
    stamp: (name) => orNone(within(name), Effect.map(disk.stat(within(name)), stampOf)),
    replace,
    setAside,
    remove,
    names: Effect.map(allNames, (names) => names.filter((name) => !asideOf.test(name) && !temporaryOf.test(name))),
    changes: Stream.mapError(disk.changes(path), because(path))
  }
}
