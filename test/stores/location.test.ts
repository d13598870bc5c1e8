import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Location from "../../src/internal/location.ts"

describe("where a file store is", () => {
  const cases: ReadonlyArray<
    readonly [given: string | undefined, platform: string, env: object, expected: string | null]
  > = [
    ["/given", "linux", { HOME: "/h" }, "/given"],
    [undefined, "linux", { EFFECT_CREDENTIALS_STORE: "/env", HOME: "/h" }, "/env"],
    [undefined, "linux", { EFFECT_CREDENTIALS_STORE: " ", HOME: "/h" }, "/h/.local/state/effect-credentials"],
    [undefined, "linux", { XDG_STATE_HOME: "/x/", HOME: "/h" }, "/x/effect-credentials"],
    [undefined, "linux", { XDG_STATE_HOME: "x", HOME: "/h" }, "/h/.local/state/effect-credentials"],
    [undefined, "linux", { HOME: "/" }, "/.local/state/effect-credentials"],
    [undefined, "darwin", { HOME: "/h", XDG_STATE_HOME: "/x" }, "/h/Library/Application Support/effect-credentials"],
    [
      undefined,
      "win32",
      { LOCALAPPDATA: "C:\\Users\\me\\AppData\\Local" },
      "C:\\Users\\me\\AppData\\Local\\effect-credentials"
    ],
    ["\\\\server\\share\\me", "win32", {}, "\\\\server\\share\\me"],
    [undefined, "linux", {}, null],
    [undefined, "linux", { HOME: "" }, null],
    [undefined, "linux", { HOME: "home" }, null],
    [undefined, "linux", { HOME: "." }, null],
    [undefined, "linux", { HOME: "/home/../etc" }, null],
    [undefined, "linux", { HOME: "/h\0" }, null],
    [undefined, "linux", { HOME: "/h\n" }, null],
    [undefined, "linux", { EFFECT_CREDENTIALS_STORE: "here", HOME: "/h" }, null],
    [undefined, "linux", { EFFECT_CREDENTIALS_STORE: "~/here", HOME: "/h" }, null],
    ["relative", "linux", { HOME: "/h" }, null],
    ["", "linux", { HOME: "/h" }, null],
    ["/a/../b", "linux", { HOME: "/h" }, null],
    [undefined, "win32", { HOME: "/h" }, null],
    [undefined, "win32", { LOCALAPPDATA: "\\here" }, null],
    ["C:here", "win32", {}, null]
  ]
  it.each(cases)("given %s on %s with %j: %s (S177)", (given, platform, env, expected) => {
    const result = Location.directory(Location.state, given, platform, env as Record<string, string>)
    assert.strictEqual(Either.getOrNull(result), expected)
  })
})
