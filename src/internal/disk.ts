/**
 * The raw operations on files, one Effect each. Nothing is decided here; a test puts another disk in its place and lets any of them fail.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Node from "./node.ts"

/** Why an operation failed: the system's own short name of it, such as `ENOENT`. Its message is dropped. */
export type Errno = string

type Operation<A> = Effect.Effect<A, Errno>

/** What is known of a file without reading it. */
export interface Stat {
  readonly kind: "file" | "directory" | "link" | "other"
  readonly size: number
  readonly mtime: number
  readonly inode: number
  readonly uid: number
  readonly gid: number
  /** Who may do what: the last nine bits. */
  readonly mode: number
}

/** An open file or directory. */
export interface File {
  readonly stat: Operation<Stat>
  /** The bytes from where the last reading ended, at most so many; none at the end. */
  readonly read: (most: number) => Operation<Uint8Array>
  readonly write: (bytes: Uint8Array) => Operation<void>
  readonly chmod: (mode: number) => Operation<void>
  readonly chown: (uid: number, gid: number) => Operation<void>
  readonly sync: Operation<void>
  readonly close: Operation<void>
}

/**
 * The operations. Each runs to its end: none can be interrupted, so that whoever opens also closes.
 */
export interface Disk {
  /** Who runs this program; undefined where files have no owners and modes of that kind. */
  readonly uid: number | undefined
  /** Whether a directory can be opened, to make what was renamed in it durable. */
  readonly opensDirectories: boolean
  /** The directory that a path is in. */
  readonly parentOf: (path: string) => string
  /** The path of a name in a directory. */
  readonly within: (directory: string, name: string) => string
  /** Opens what is there; a symbolic link is `ELOOP`, and a pipe is not waited for. */
  readonly openToRead: (path: string) => Operation<File>
  /** Opens a directory; a symbolic link is an error. */
  readonly openDirectory: (path: string) => Operation<File>
  /** Makes a file with mode 0600; whatever is there already, even a dangling link, is `EEXIST`. */
  readonly create: (path: string) => Operation<File>
  /** What is there, a link itself and not what it leads to. */
  readonly stat: (path: string) => Operation<Stat>
  readonly names: (path: string) => Operation<ReadonlyArray<string>>
  /** Makes a directory with mode 0700. */
  readonly makeDirectory: (path: string) => Operation<void>
  readonly removeDirectory: (path: string) => Operation<void>
  readonly chown: (path: string, uid: number, gid: number) => Operation<void>
  readonly rename: (from: string, to: string) => Operation<void>
  readonly unlink: (path: string) => Operation<void>
  /** Makes a symbolic link, which may lead anywhere or nowhere; whatever is there already is `EEXIST`. */
  readonly symlink: (target: string, path: string) => Operation<void>
  /** Where a symbolic link leads. */
  readonly readLink: (path: string) => Operation<string>
  /** Sets who may do what with what is there; a symbolic link is followed. */
  readonly chmod: (path: string, mode: number) => Operation<void>
  /** The number that the system has for the kind of file system that a path is on. */
  readonly fileSystem: (path: string) => Operation<number>
  /** The names in a directory that something happened to; undefined where the system does not say which. Fails where it cannot be watched. */
  readonly changes: (path: string) => Stream.Stream<string | undefined, Errno>
}

export const errnoOf = (error: unknown): Errno => {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown }
  // Deno, of what its program may not do.
  if (name === "NotCapable") return "ENOTCAPABLE"
  return typeof code === "string" && /^[A-Z0-9_]{1,40}$/.test(code) ? code : "EUNKNOWN"
}

const run = <A>(operation: () => Promise<A>): Operation<A> =>
  Effect.uninterruptible(Effect.tryPromise({ try: operation, catch: errnoOf }))

const statOf = (stats: Node.Stats): Stat => ({
  kind: stats.isFile() ? "file" : stats.isDirectory() ? "directory" : stats.isSymbolicLink() ? "link" : "other",
  size: stats.size,
  mtime: stats.mtimeMs,
  inode: stats.ino,
  uid: stats.uid,
  gid: stats.gid,
  mode: stats.mode & 0o777
})

const fileOf = (handle: Node.FileHandle): File => ({
  stat: Effect.map(
    run(() => handle.stat()),
    statOf
  ),
  read: (most) =>
    Effect.suspend(() => {
      const bytes = new Uint8Array(most)
      return Effect.map(
        run(() => handle.read(bytes, 0, most)),
        ({ bytesRead }) => bytes.subarray(0, bytesRead)
      )
    }),
  write: (bytes) =>
    run(async () => {
      for (let at = 0; at < bytes.length;) {
        const { bytesWritten } = await handle.write(bytes, at, bytes.length - at)
        at += bytesWritten
      }
    }),
  chmod: (mode) => run(() => handle.chmod(mode)),
  chown: (uid, gid) => run(() => handle.chown(uid, gid)),
  sync: run(() => handle.sync()),
  close: run(() => handle.close())
})

/** The disk of this machine, or what is missing. */
export const disk: Effect.Effect<Disk, string> = Effect.map(
  Effect.all([Node.files, Node.paths, Node.uid]),
  ([files, paths, uid]): Disk => {
    const { constants, promises, watch } = files
    const flag = (name: string): number => constants[name] ?? 0
    const open = (path: string, flags: number) =>
      Effect.map(
        run(() => promises.open(path, flags, 0o600)),
        fileOf
      )
    return {
      uid,
      opensDirectories: Node.platform() !== "win32",
      parentOf: paths.dirname,
      within: paths.join,
      openToRead: (path) => open(path, flag("O_RDONLY") | flag("O_NOFOLLOW") | flag("O_NONBLOCK")),
      openDirectory: (path) => open(path, flag("O_RDONLY") | flag("O_DIRECTORY") | flag("O_NOFOLLOW")),
      create: (path) => open(path, flag("O_WRONLY") | flag("O_CREAT") | flag("O_EXCL") | flag("O_NOFOLLOW")),
      stat: (path) =>
        Effect.map(
          run(() => promises.lstat(path)),
          statOf
        ),
      names: (path) => run(() => promises.readdir(path)),
      makeDirectory: (path) => Effect.asVoid(run(() => promises.mkdir(path, { mode: 0o700 }))),
      removeDirectory: (path) => run(() => promises.rmdir(path)),
      chown: (path, uid, gid) => run(() => promises.lchown(path, uid, gid)),
      rename: (from, to) => run(() => promises.rename(from, to)),
      unlink: (path) => run(() => promises.unlink(path)),
      symlink: (target, path) => run(() => promises.symlink(target, path)),
      readLink: (path) => run(() => promises.readlink(path)),
      chmod: (path, mode) => run(() => promises.chmod(path, mode)),
      fileSystem: (path) =>
        Effect.map(
          run(() => promises.statfs(path)),
          ({ type }) => type
        ),
      changes: (path) =>
        Stream.asyncPush<string | undefined, Errno>(
          (emit) =>
            Effect.acquireRelease(
              Effect.try({
                try: () => {
                  const watcher = watch(path, { persistent: false }, (_, name) => emit.single(name ?? undefined))
                  watcher.on("error", (error) => emit.fail(errnoOf(error)))
                  return watcher
                },
                catch: errnoOf
              }),
              (watcher) => Effect.sync(() => watcher.close())
            ),
          { bufferSize: 64, strategy: "sliding" }
        )
    }
  }
)
