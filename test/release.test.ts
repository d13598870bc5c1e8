import { assert, describe, it } from "@effect/vitest"
import { refusals, type State } from "./tools/releaseGates.ts"

const good: State = {
  status: "",
  tags: ["v1.1.0", ""],
  version: "1.2.0",
  followers: { "deno.json": "1.2.0", "package-lock.json": "1.2.0" },
  changelog: "# Changelog\n\n## 1.2.0 (2026-11-21)\n\n- It is faster.\n\n## 1.1.0 (2026-10-01)\n\n- It is new.\n"
}

describe("a release", () => {
  it("is not refused where everything is in order", () => {
    assert.deepStrictEqual(refusals(good), [])
    assert.deepStrictEqual(refusals({ ...good, changelog: good.changelog.replace(" (2026-11-21)", "") }), [])
  })

  it.each<[string, Partial<State>, string]>([
    [
      "a tree that is not clean",
      { status: " M src/Token.ts\n?? notes.txt\n" },
      "The tree is not clean: commit or remove src/Token.ts, notes.txt."
    ],
    [
      "a version that npm and JSR would not take",
      {
        version: "1.2",
        followers: { "deno.json": "1.2" },
        changelog: good.changelog.replace("1.2.0", "1.2")
      },
      "The version in package.json is 1.2: make it like 1.2.3."
    ],
    [
      "a file with another version",
      { followers: { "deno.json": "1.1.0", "package-lock.json": "1.2.0" } },
      "package.json says 1.2.0 and deno.json 1.1.0: run npm run exports and npm install --package-lock-only."
    ],
    [
      "a version that another commit has",
      { tags: ["v1.2.0"] },
      "Another commit has the tag v1.2.0: raise the version."
    ],
    [
      "a changelog without the version",
      { changelog: good.changelog.replace("## 1.2.0", "## 1.2.0-beta.1") },
      'CHANGELOG.md has no section "## 1.2.0": write what users will notice.'
    ],
    [
      "a changelog that calls it unreleased",
      { changelog: good.changelog.replace("2026-11-21", "unreleased") },
      "CHANGELOG.md calls 1.2.0 unreleased: give its heading the date."
    ],
    [
      "a changelog that says nothing of it",
      { changelog: good.changelog.replace("- It is faster.\n", "") },
      "CHANGELOG.md says nothing of 1.2.0: write what users will notice."
    ]
  ])("is refused for %s, with one sentence", (_, change, sentence) => {
    assert.deepStrictEqual(refusals({ ...good, ...change }), [sentence])
  })

  it("is refused for everything at once that is wrong", () => {
    assert.lengthOf(
      refusals({ status: "?? a\n", tags: ["vx"], version: "x", followers: { "deno.json": "y" }, changelog: "" }),
      5
    )
  })
})
