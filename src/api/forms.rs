//! The two forms of a function that takes strings: `…A` with bytes, `…W` with UTF-16, from one body.

/// Exports `…A` and `…W`. Types with a parameter (`In<U>`) are those of strings; the body has the parameter too.
macro_rules! forms {
    ($(
        $(#[doc = $doc:literal])+
        fn $a:ident, $w:ident($($argument:ident: $type:ident $(<$unit:ident>)?),* $(,)?) = $body:path;
    )+) => {$(
        $(#[doc = $doc])+
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $a(
            $($argument: $type $(<$crate::api::forms::forms!(@narrow $unit)>)?),*
        ) -> $crate::api::types::LONG {
            $crate::ffi::entry(stringify!($a), || {
                // SAFETY: the contract of the body is that of this function.
                unsafe { $body($($argument),*) }
            })
        }

        #[doc = concat!("[`", stringify!($a), "`] with strings of UTF-16; lengths count its units.")]
        ///
        /// # Safety
        /// Each pointer is null or valid as stated in [`crate::api`].
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $w(
            $($argument: $type $(<$crate::api::forms::forms!(@wide $unit)>)?),*
        ) -> $crate::api::types::LONG {
            $crate::ffi::entry(stringify!($w), || {
                // SAFETY: the contract of the body is that of this function.
                unsafe { $body($($argument),*) }
            })
        }
    )+};
    (@narrow $unit:ident) => { ::std::ffi::c_char };
    (@wide $unit:ident) => { $crate::api::types::WCHAR };
}

pub(super) use forms;
