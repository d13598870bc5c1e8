/** A real disk that writes down what is done to it, and of which the n-th operation fails, or is the last one before the power does. */
import * as Effect from "effect/Effect"
import * as path from "node:path"
import type { Disk, Errno, File } from "../../src/internal/disk.ts"

/** What happens at the operation that the fault is for. */
export type Fault =
  /** It fails; everything else works. */
  | { readonly how: "fails"; readonly errno: Errno }
  /** Neither it nor anything after it happens. */
  | { readonly how: "stops before" }
  /** It still happens, nothing after it does. */
  | { readonly how: "stops after" }

export interface FaultyDisk {
  readonly disk: Disk
  /** The operations so far: what, and on which file. */
  readonly log: Array<string>
  /** Files that were opened and not closed. */
  readonly open: Set<string>
}

/** A disk without a fault if there is no `at`: the first operation is 0. */
export const make = (real: Disk, at = -1, fault: Fault = { how: "stops before" }): FaultyDisk => {
  const log: Array<string> = []
  const open = new Set<string>()
  let isOff = false
  let opened = 0
  const step = <A>(what: string, where: string, operation: Effect.Effect<A, Errno>): Effect.Effect<A, Errno> =>
    Effect.suspend(() => {
      if (isOff) return Effect.fail("EOFF")
      const isNow = log.length === at
      log.push(`${what} ${path.basename(where).replace(/[0-9a-f]{16}\.tmp$/, "tmp")}`)
      if (!isNow) return operation
      if (fault.how === "fails") return Effect.fail(fault.errno)
      isOff = true
      return fault.how === "stops before"
        ? Effect.fail("EOFF")
        : Effect.zipRight(Effect.exit(operation), Effect.fail("EOFF"))
    })
  const watched = (where: string, file: File): File => {
    const id = `${opened++} ${where}`
    open.add(id)
    return {
      stat: step("fstat", where, file.stat),
      read: (most) => step("read", where, file.read(most)),
      write: (bytes) => step("write", where, file.write(bytes)),
      chmod: (mode) => step("fchmod", where, file.chmod(mode)),
      chown: (uid, gid) => step("fchown", where, file.chown(uid, gid)),
      sync: step("fsync", where, file.sync),
      // Whatever it says, it is closed: also by the power.
      close: Effect.zipRight(
        Effect.ignore(file.close),
        Effect.zipRight(
          Effect.sync(() => open.delete(id)),
          step("close", where, Effect.void)
        )
      )
    }
  }
  const opening = (what: string, where: string, operation: Effect.Effect<File, Errno>) =>
    Effect.suspend(() => {
      let file: File | undefined
      return Effect.tap(operation, (opened) => Effect.sync(() => (file = opened))).pipe(
        (remembered) => step(what, where, remembered),
        // Whatever this process had open the power closes.
        Effect.tapError(() => (file === undefined ? Effect.void : Effect.ignore(file.close))),
        Effect.map((file) => watched(where, file))
      )
    })
  return {
    log,
    open,
    disk: {
      uid: real.uid,
      opensDirectories: real.opensDirectories,
      parentOf: real.parentOf,
      within: real.within,
      openToRead: (where) => opening("open", where, real.openToRead(where)),
      openDirectory: (where) => opening("opendir", where, real.openDirectory(where)),
      create: (where) => opening("create", where, real.create(where)),
      stat: (where) => step("stat", where, real.stat(where)),
      names: (where) => step("readdir", where, real.names(where)),
      makeDirectory: (where) => step("mkdir", where, real.makeDirectory(where)),
      removeDirectory: (where) => step("rmdir", where, real.removeDirectory(where)),
      chown: (where, uid, gid) => step("chown", where, real.chown(where, uid, gid)),
      rename: (from, to) => step("rename", to, real.rename(from, to)),
      unlink: (where) => step("unlink", where, real.unlink(where)),
      symlink: (target, where) => step("symlink", where, real.symlink(target, where)),
      readLink: (where) => step("readlink", where, real.readLink(where)),
      chmod: (where, mode) => step("chmod", where, real.chmod(where, mode)),
      fileSystem: (where) => step("statfs", where, real.fileSystem(where)),
      changes: real.changes
    }
  }
}

/** The same disk without its slowest part, for tests that write a thousand times and pull no real plug. */
export const unsynced = (disk: Disk): Disk => {
  const quick = (operation: Effect.Effect<File, Errno>) =>
    Effect.map(operation, (file): File => ({ ...file, sync: Effect.void }))
  return {
    ...disk,
    create: (where) => quick(disk.create(where)),
    openDirectory: (where) => quick(disk.openDirectory(where))
  }
}
