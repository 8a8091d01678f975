//! The extensions of cyber observables that STIX 2.1 itself defines (in section 6).

use super::super::shape::Kind::{
    Any, Closed, Dictionary, Flag, Hashes, Hex, List, Open, Part, Ref, Text, TextOrWhole, Time,
};
use super::super::shape::{COUNT, REAL, Shape, TEXTS, To, WHOLE, may, must};
use super::super::vocabulary as v;

const FILES: super::super::shape::Kind = List(&Ref(To::Types(&["file"])));

pub(super) static ARCHIVE: Shape = Shape::new(
    "archive-ext",
    "6.7.2",
    &[
        must(
            "contains_refs",
            List(&Ref(To::Types(&["file", "directory"]))),
        ),
        may("comment", Text),
    ],
);

static DATA_STREAM: Shape = Shape::new(
    "alternate-data-stream-type",
    "6.7.3",
    &[
        must("name", Text),
        may("hashes", Hashes),
        may("size", COUNT),
    ],
);

pub(super) static NTFS: Shape = Shape {
    some_of: &[&[]],
    ..Shape::new(
        "ntfs-ext",
        "6.7.3",
        &[
            may("sid", Text),
            may("alternate_data_streams", List(&Part(&DATA_STREAM))),
        ],
    )
};

pub(super) static PDF: Shape = Shape {
    some_of: &[&[]],
    ..Shape::new(
        "pdf-ext",
        "6.7.4",
        &[
            may("version", Text),
            may("is_optimized", Flag),
            may("document_info_dict", Dictionary(&Text)),
            may("pdfid0", Text),
            may("pdfid1", Text),
        ],
    )
};

pub(super) static RASTER_IMAGE: Shape = Shape {
    some_of: &[&[]],
    ..Shape::new(
        "raster-image-ext",
        "6.7.5",
        &[
            may("image_height", WHOLE),
            may("image_width", WHOLE),
            may("bits_per_pixel", WHOLE),
            may("exif_tags", Dictionary(&TextOrWhole)),
        ],
    )
};

static PE_OPTIONAL_HEADER: Shape = Shape {
    some_of: &[&[]],
    ..Shape::new(
        "windows-pe-optional-header-type",
        "6.7.6",
        &[
            may("magic_hex", Hex),
            may("major_linker_version", WHOLE),
            may("minor_linker_version", WHOLE),
            may("size_of_code", COUNT),
            may("size_of_initialized_data", COUNT),
            may("size_of_uninitialized_data", COUNT),
            may("address_of_entry_point", WHOLE),
            may("base_of_code", WHOLE),
            may("base_of_data", WHOLE),
            may("image_base", WHOLE),
            may("section_alignment", WHOLE),
            may("file_alignment", WHOLE),
            may("major_os_version", WHOLE),
            may("minor_os_version", WHOLE),
            may("major_image_version", WHOLE),
            may("minor_image_version", WHOLE),
            may("major_subsystem_version", WHOLE),
            may("minor_subsystem_version", WHOLE),
            may("win32_version_value_hex", Hex),
            may("size_of_image", COUNT),
            may("size_of_headers", COUNT),
            may("checksum_hex", Hex),
            may("subsystem_hex", Hex),
            may("dll_characteristics_hex", Hex),
            may("size_of_stack_reserve", COUNT),
            may("size_of_stack_commit", COUNT),
            may("size_of_heap_reserve", COUNT),
            may("size_of_heap_commit", COUNT),
            may("loader_flags_hex", Hex),
            may("number_of_rva_and_sizes", WHOLE),
            may("hashes", Hashes),
        ],
    )
};

static PE_SECTION: Shape = Shape::new(
    "windows-pe-section-type",
    "6.7.6",
    &[
        must("name", Text),
        may("size", COUNT),
        may("entropy", REAL),
        may("hashes", Hashes),
    ],
);

pub(super) static WINDOWS_PEBINARY: Shape = Shape::new(
    "windows-pebinary-ext",
    "6.7.6",
    &[
        must("pe_type", Open(&v::PEBINARY_TYPE)),
        may("imphash", Text),
        may("machine_hex", Hex),
        may("number_of_sections", COUNT),
        may("time_date_stamp", Time),
        may("pointer_to_symbol_table_hex", Hex),
        may("number_of_symbols", COUNT),
        may("size_of_optional_header", COUNT),
        may("characteristics_hex", Hex),
        may("file_header_hashes", Hashes),
        may("optional_header", Part(&PE_OPTIONAL_HEADER)),
        may("sections", List(&Part(&PE_SECTION))),
    ],
);

pub(super) static HTTP_REQUEST: Shape = Shape::new(
    "http-request-ext",
    "6.12.2",
    &[
        must("request_method", Text),
        must("request_value", Text),
        may("request_version", Text),
        may("request_header", Dictionary(&TEXTS)),
        may("message_body_length", WHOLE),
        may("message_body_data_ref", Ref(To::Types(&["artifact"]))),
    ],
);

pub(super) static ICMP: Shape = Shape::new(
    "icmp-ext",
    "6.12.3",
    &[must("icmp_type_hex", Hex), must("icmp_code_hex", Hex)],
);

pub(super) static SOCKET: Shape = Shape::new(
    "socket-ext",
    "6.12.4",
    &[
        must("address_family", Closed(&v::NETWORK_FAMILY)),
        may("is_blocking", Flag),
        may("is_listening", Flag),
        may("options", Dictionary(&WHOLE)),
        may("socket_type", Closed(&v::SOCKET_TYPE)),
        may("socket_descriptor", COUNT),
        may("socket_handle", WHOLE),
    ],
);

pub(super) static TCP: Shape = Shape {
    some_of: &[&[]],
    ..Shape::new(
        "tcp-ext",
        "6.12.5",
        &[may("src_flags_hex", Hex), may("dst_flags_hex", Hex)],
    )
};

pub(super) static WINDOWS_PROCESS: Shape = Shape {
    some_of: &[&[]],
    ..Shape::new(
        "windows-process-ext",
        "6.13.2",
        &[
            may("aslr_enabled", Flag),
            may("dep_enabled", Flag),
            may("priority", Text),
            may("owner_sid", Text),
            may("window_title", Text),
            // The values are those of a Windows structure, some of them always null.
            may("startup_info", Any),
            may("integrity_level", Closed(&v::INTEGRITY_LEVEL)),
        ],
    )
};

pub(super) static WINDOWS_SERVICE: Shape = Shape {
    some_of: &[&[]],
    ..Shape::new(
        "windows-service-ext",
        "6.13.3",
        &[
            may("service_name", Text),
            may("descriptions", TEXTS),
            may("display_name", Text),
            may("group_name", Text),
            may("start_type", Closed(&v::SERVICE_START)),
            may("service_dll_refs", FILES),
            may("service_type", Closed(&v::SERVICE_TYPE)),
            may("service_status", Closed(&v::SERVICE_STATUS)),
        ],
    )
};

pub(super) static UNIX_ACCOUNT: Shape = Shape {
    some_of: &[&[]],
    ..Shape::new(
        "unix-account-ext",
        "6.16.2",
        &[
            may("gid", WHOLE),
            may("groups", TEXTS),
            may("home_dir", Text),
            may("shell", Text),
        ],
    )
};

/// All of them, whatever type they belong to.
pub(in super::super) static PREDEFINED: &[&Shape] = &[
    &ARCHIVE,
    &NTFS,
    &PDF,
    &RASTER_IMAGE,
    &WINDOWS_PEBINARY,
    &HTTP_REQUEST,
    &ICMP,
    &SOCKET,
    &TCP,
    &WINDOWS_PROCESS,
    &WINDOWS_SERVICE,
    &UNIX_ACCOUNT,
];
