/** A directory that is gone when its scope closes. */
import { Effect, type Scope } from "effect"
import { mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const temporaryDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "effect-credentials-")))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)
