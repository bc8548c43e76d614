/* The extension module: hands jobs, laid out by edgekit_kernels in memory of its own, to picture.c without the GIL. */
#define Py_LIMITED_API 0x030A0000 /* one wheel for every Python from 3.10 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "picture.h"

static PyObject *run(PyObject *args, int (*convert)(const picture_job *)) {
    unsigned long long address;
    int failed;
    if (!PyArg_ParseTuple(args, "K", &address))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    failed = convert((const picture_job *)(uintptr_t)address);
    Py_END_ALLOW_THREADS
    if (failed)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *convert(PyObject *self, PyObject *args) {
    (void)self;
    return run(args, picture_convert);
}

static PyObject *convert_plain(PyObject *self, PyObject *args) {
    (void)self;
    return run(args, picture_convert_plain);
}

static PyObject *variant(PyObject *self, PyObject *args) {
    (void)self;
    (void)args;
    return PyUnicode_FromString(picture_variant());
}

static PyMethodDef methods[] = {
    {"convert", convert, METH_VARARGS, "Carry out the job at an address."},
    {"convert_plain", convert_plain, METH_VARARGS, "The same without this CPU's own instructions."},
    {"variant", variant, METH_NOARGS, "Which instructions `convert` takes on this CPU."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_picture", "See edgekit_kernels.", -1, methods, 0, 0, 0, 0};

PyMODINIT_FUNC PyInit__picture(void) {
    PyObject *made = PyModule_Create(&module);
    if (made && PyModule_AddIntConstant(made, "JOB_BYTES", (long)sizeof(picture_job)))
        Py_CLEAR(made);
    return made;
}
