"""Every stable code, with the state it leads to and what to do about it (docs/codes.md is generated from here)."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """A stable machine-readable code; the value never changes once released."""

    meaning: str
    hint: str
    retryable: bool

    def __new__(cls, value: str, meaning: str = "", hint: str = "", retryable: bool = False) -> Code:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        member.hint = hint
        member.retryable = retryable
        return member

    # --- waiting: goes on by itself
    SETTLING = "settling", "The file is still being written, or has not been still for long enough.", "", True
    BACKLOG = "backlog", "The file waits for its turn; nothing has been read yet.", "", True
    MISSING_MODEL = (
        "missing_model",
        "The recipe names a network that is not installed.",
        "Run 'twofold models list', then correct the recipe or put the file in place; the job goes on by itself.",
        True,
    )
    MODEL_CHANGED = (
        "model_changed",
        "The network's file does not have the sha256 that its card or this job recorded.",
        "Put the original file back, or run 'twofold retry ID' to use the file that is there now.",
        True,
    )
    MISSING_EXTRA = (
        "missing_extra",
        "This format needs an optional package.",
        "Install the extra named in the text; waiting files go on by themselves.",
        True,
    )
    NO_DEVICE = (
        "no_device",
        "None of the configured devices can be used.",
        "Run 'twofold doctor', or set devices: cpu to use the processor.",
        True,
    )
    DISK_FULL = (
        "disk_full",
        "There is not enough free space for the result.",
        "Free some space on the folder named; the job goes on by itself.",
        True,
    )
    OUTBOX_MISSING = (
        "outbox_missing",
        "The outbox cannot be reached.",
        "Mount or create the folder; the jobs go on by themselves.",
        True,
    )
    LOW_MEMORY = (
        "low_memory",
        "Not even the smallest tile, or the picture beside it, fits into the memory that is free now.",
        "Free memory on the device, or lower vram.keep_free; the job goes on by itself.",
        True,
    )

    # --- devices: no worker for now
    YIELDED = (
        "yielded",
        "Another program uses the device, and the configuration lets it go first (yield_to).",
        "It goes on by itself when that program is gone.",
        True,
    )
    DEVICE_FAILED = (
        "device_failed",
        "The device met an error after which no process that used it can go on.",
        "The job goes on in a new worker; if it comes again, look at the kernel's log and run 'twofold doctor'.",
        True,
    )
    DEVICE_LOST = (
        "device_lost",
        "The device does not answer any more.",
        "Look at the kernel's log (Xid); it may need a reset or a reboot. It is used again by itself when it answers.",
        True,
    )
    QUARANTINED = (
        "quarantined",
        "The device failed too often, and rests; other devices do its jobs.",
        "Look at the kernel's log (Xid) and run 'twofold doctor'; it is tried again by itself.",
        True,
    )

    # --- skipped: nothing to do, on purpose
    EMPTY = "empty", "The file has no bytes.", "Copy it again; a new version is picked up by itself."
    ANIMATED = (
        "animated",
        "The file holds several frames or pages.",
        "Set pages: all or pages: first in the recipe (upscale and plan: --pages).",
    )
    NO_PAGES = (
        "no_pages",
        "The archive holds no pictures, or is not called .cbz and holds mostly other files.",
        "If it is a comic, call it .cbz; other archives are left alone.",
    )
    ALREADY_LARGE = (
        "already_large",
        "The picture is as large as the recipe's target already.",
        "Set larger: copy or larger: shrink in the recipe if it should be delivered all the same.",
    )
    OUTPUT_EXISTS = (
        "output_exists",
        "The outbox holds a file of that name that Twofold did not write.",
        "Rename it, or set on_exists: suffix.",
    )

    OWN_RESULT = (
        "own_result",
        "The picture is a result of Twofold already, as its own history says.",
        "Set own_results: process in the inbox if results should be enlarged again.",
    )
    EXISTING = (
        "existing",
        "The file lay in the folder before it was watched, and the inbox says existing: ignore.",
        "Run 'twofold redo PATH' to enlarge it all the same.",
    )

    # --- failed: somebody has to do something
    UNREADABLE = (
        "unreadable",
        "The file cannot be opened.",
        "Give the service read permission, then 'twofold retry ID'.",
    )
    NOT_A_PICTURE = (
        "not_a_picture",
        "The content is not a picture of a known format.",
        "Remove the file, or convert it to JPEG, PNG, WebP or TIFF.",
    )
    UNSUPPORTED_FORMAT = (
        "unsupported_format",
        "The picture's format or layout is not supported.",
        "Convert it to something that docs/formats.md lists, such as a flat TIFF or PNG of 8 or 16 bits.",
    )
    DAMAGED = "damaged", "The picture is truncated or damaged.", "Copy it again from its source."
    TOO_LARGE = (
        "too_large",
        "The picture or its result is larger than the configured limits.",
        "Raise limits.input_megapixels or limits.output_megapixels, or use a smaller scale.",
    )
    NEEDS_BACKGROUND = (
        "needs_background",
        "The picture has transparency and the format has none.",
        "Set save_as.background, or save_as.format to one that has it (png, webp, tiff, avif, jxl).",
    )
    MODEL_SCALE = (
        "model_scale",
        "The recipe's networks cannot make this factor.",
        "Add a 2x network to the recipe's models, or choose a scale that the networks reach by themselves.",
    )
    NEEDS_MEMORY = (
        "needs_memory",
        "The picture needs more main memory than may be used here, even with its rasters on scratch.",
        "Raise ram.use_at_most, use a smaller scale, or save as jpeg, png or tiff, which are written row by row.",
    )
    FORMAT_LIMIT = (
        "format_limit",
        "The result is larger than its file format can hold.",
        "Set save_as.on_too_large to png or tiff, which have no practical limit, or choose a smaller scale.",
    )
    ENCRYPTED = (
        "encrypted",
        "The archive, or a file in it, is encrypted.",
        "Pack it anew without a password.",
    )
    BAD_ARCHIVE = (
        "bad_archive",
        "The archive's names are no names of files in a folder: some are double, absolute, or lead out of it.",
        "Unpack it with care, look at what it holds, and pack it anew.",
    )
    DECODE_TIMEOUT = (
        "decode_timeout",
        "Decoding took longer than limits.decode_time.",
        "Raise limits.decode_time if the picture is trusted, then 'twofold retry ID'.",
    )
    CODEC_FAILED = (
        "codec_failed",
        "The decoder or encoder died.",
        "Run 'twofold retry ID'; report the file if it dies again.",
    )
    VERIFY_FAILED = (
        "verify_failed",
        "The written result did not read back as it was made.",
        "Check the disk under the outbox; the job is tried again by itself.",
        True,
    )
    DELIVERY_FAILED = (
        "delivery_failed",
        "The result could not be put into the outbox.",
        "Check the outbox's permissions and mount; the job is tried again by itself.",
        True,
    )
    OUTPUT_TAKEN = (
        "output_taken",
        "The outbox holds a file of that name that Twofold did not write, and the inbox says on_exists: fail.",
        "Rename it, then 'twofold retry ID'.",
    )
    READ_FAILED = (
        "read_failed",
        "Reading the file failed.",
        "Check the share or disk; it is tried again by itself.",
        True,
    )
    CHANGED = (
        "changed",
        "The file changed while it was being read.",
        "It is picked up again by itself when it is still.",
        True,
    )
    KILLS_WORKER = (
        "kills_worker",
        "The worker died three times while it ran this file alone.",
        "Try it with devices: cpu or a smaller network, then 'twofold retry ID'.",
    )
    NEVER_FITS = (
        "never_fits",
        "Not even the smallest tile fits into what the configuration allows of any device.",
        "Raise vram.use_at_most (on a processor: ram.use_at_most), lower vram.keep_free, or choose a smaller network; "
        "then 'twofold retry ID'.",
    )
    BAD_NETWORK = (
        "bad_network",
        "The network cannot be loaded or does not enlarge images.",
        "Run 'twofold models verify'.",
    )
    NOT_FINITE = "not_finite", "The network gave values that are not numbers, also in float32.", "Use another network."
    WORKER_LOST = "worker_lost", "The worker died; the job goes on at the pass it had reached.", "", True
    OUT_OF_MEMORY = (
        "out_of_memory",
        "The device ran out of memory.",
        "It is tried again by itself with smaller tiles.",
        True,
    )
    UNEXPECTED = (
        "unexpected",
        "Something happened that Twofold does not know.",
        "Please report it with the log line.",
        True,
    )
    RETRIES_EXHAUSTED = "retries_exhausted", "The job failed too often.", "Mend the cause, then run 'twofold retry ID'."

    # --- cancelled, vanished, held
    CANCELLED = "cancelled", "Somebody cancelled the job.", "Run 'twofold retry ID' to take it up again."
    VANISHED = "vanished", "The file was removed before it was read.", "Nothing to do; it is picked up when it returns."
    HELD_BACKLOG = "held_backlog", "A large first backlog waits for a person's word.", "Run 'twofold start INBOX'."
    UNCHANGED = "unchanged", "The same bytes were enlarged by the same recipe already.", ""
    RECIPE_KEPT = (
        "recipe_kept",
        "The recipe changed after this file was done; the result is kept.",
        "Run 'twofold redo PATH' to make it again.",
    )

    # --- inboxes
    INBOX_OFFLINE = (
        "inbox_offline",
        "The inbox cannot be listed.",
        "Mount the share; files are never taken for deleted.",
        True,
    )
    INBOX_READONLY = "inbox_readonly", "The inbox can be read but not written; originals stay.", ""
    INBOX_PAUSED = "inbox_paused", "The inbox is paused.", "Run 'twofold resume'."

    # --- what follows an end: originals, notes, hooks
    SYNCED_FOLDER = (
        "synced_folder",
        "The folder looks synchronised with other devices, where removing a file removes it everywhere.",
        "Keep originals there, or set originals.synced_ok: true if that is what you want.",
    )
    BEST_EFFORT = (
        "best_effort",
        "The outbox's file system could not promise that the result replaced no other file, or survives a power cut.",
        "Remove the original by hand, or move the outbox to another file system.",
    )
    RESULT_GONE = (
        "result_gone",
        "The result no longer stands in the outbox as it was delivered.",
        "Run 'twofold redo PATH' if the result is needed; the original is still there.",
    )
    ARCHIVE_MISSING = (
        "archive_missing",
        "The archive folder cannot be reached.",
        "Mount or create the folder; originals follow by themselves.",
        True,
    )
    ARCHIVE_FAILED = (
        "archive_failed",
        "The original could not be put into the archive.",
        "Check the archive's permissions and space; it is tried again by itself.",
        True,
    )
    HOOK_FAILED = (
        "hook_failed",
        "A hook could not be started, ended with an error, or took too long.",
        "Look at its output in the log; a hook is not run again.",
    )

    # --- command line, configuration, service
    BAD_CONFIG = (
        "bad_config",
        "The configuration has mistakes.",
        "Correct the lines named; 'twofold config check' tests it.",
    )
    BAD_USAGE = "bad_usage", "The command line has a mistake.", "See --help."
    FOLDERS_OVERLAP = (
        "folders_overlap",
        "An outbox would feed an inbox.",
        "Choose folders that do not lie inside each other.",
    )
    ALREADY_RUNNING = (
        "already_running",
        "Another Twofold uses this state directory.",
        "Stop it, or set another state_dir.",
    )
    STATE_ON_NETWORK = (
        "state_on_network",
        "The state directory is on a network file system, where SQLite is not safe.",
        "Set state_dir to a folder on a local disk.",
    )
    STATE_NEWER = (
        "state_newer",
        "The ledger was written by a newer Twofold.",
        "Run that version again, or choose another state_dir. Nothing was changed.",
    )
    STATE_OLDER = (
        "state_older",
        "The ledger was written by an older Twofold, and was not migrated yet.",
        "Start the service, or run 'twofold once': either migrates it, and keeps a copy.",
    )
    STATE_DAMAGED = (
        "state_damaged",
        "The ledger's file cannot be read as a database.",
        "Move the state directory aside or restore it from a backup; originals and results are not touched.",
    )
    NOT_FOUND = "not_found", "Nothing is known of that name.", "See 'twofold jobs'."
    NEEDS_POSTGRESQL = (
        "needs_postgresql",
        "A worker alone needs a PostgreSQL database.",
        "Use 'twofold run' on one machine.",
    )
