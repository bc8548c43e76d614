"""Whole jobs: they join the rooms of the host, take plain values and a `Progress`, and return frozen results.

Nothing here prints, exits or knows the command line; no room of the host imports from here, nor calls back: what a room
needs is handed down as values, and `Progress` is all that it tells on the way.

The way of a build, from `build.build_release`:

    release_job.read_job         what was asked for: recipe, target, key      catalogue
    release.record.BuildRecord   every input as it was: the same report again release
    release.make_release
      plan_worker                does the recipe fit the target               release/plan.py
      engines.plan_engine_work   which engines are cached, which device may   engine, link
                                 compile the others
      site.lay_out_site          Python packages                              wheel
      engines.do_engine_work     engines                                      engine, wheel (for a builder device)
      rehearse.rehearse          code and golden frames are tried here        rehearsal, engine/verify
      assemble_release           files, manifest, SBOM, signature             release

A job is found by its verb: `build`, `cache`, `demo`, `deploy`, `doctor`, `golden`, `keys`, `provision`; `boards` for
`edgekit board`, `builders` for `edgekit builder`, `probe` for `edgekit target probe`, `engine_cache` for `edgekit
engine`, `wheel_jobs` and `wheel_cache` for `edgekit wheel`. What jobs share:

    workstation, devices      this machine, and the way to others; fitting: does a release fit them
    wheels, packages, site    tools for Python packages; packages laid out with them; a recipe's
    engines, builders         how engines are made, and on which devices
    rehearse, detections      what a recipe's stages find, and whether engines change that; golden_frames: with floats

A new verb: its job is a function here, tested without a terminal; its file in `cli/` parses, calls and prints.
"""
